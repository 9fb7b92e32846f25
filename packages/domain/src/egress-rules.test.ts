import { describe, expect, test } from "vitest";
import {
  EGRESS_PORTS_DEFAULT,
  formatPorts,
  literalAddress,
  parseNetworks,
  parsePorts,
  permitsAddress,
  permitsPort,
  requireCallable,
  whyForbidden,
} from "./egress-rules.ts";
import { parseDeniedNetworks } from "./platform-networks.ts";
import { parseTargetUrl } from "./target-url.ts";

const RULES = { allow: [], deny: [], ports: EGRESS_PORTS_DEFAULT };

describe("public unicast addresses may be called", () => {
  test.each([
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.255.255",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8",
    "::ffff:808:808",
    "0:0:0:0:0:ffff:0808:0808",
  ])("%s", (address) => {
    expect(permitsAddress(RULES, address)).toBe(true);
  });
});

describe("all other addresses may not be called", () => {
  test.each([
    ["this network", "0.0.0.0"],
    ["this network", "0.1.2.3"],
    ["private", "10.0.0.1"],
    ["shared (carrier NAT)", "100.64.0.1"],
    ["loopback", "127.0.0.1"],
    ["loopback", "127.255.255.254"],
    ["link-local", "169.254.1.1"],
    ["cloud metadata", "169.254.169.254"],
    ["private", "172.16.0.1"],
    ["private", "172.31.255.255"],
    ["protocol assignments", "192.0.0.1"],
    ["documentation", "192.0.2.1"],
    ["6to4 relays", "192.88.99.1"],
    ["private", "192.168.1.1"],
    ["benchmarking", "198.18.0.1"],
    ["documentation", "198.51.100.7"],
    ["documentation", "203.0.113.7"],
    ["multicast", "224.0.0.1"],
    ["reserved", "240.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["unspecified", "::"],
    ["loopback", "::1"],
    ["IPv4-mapped loopback", "::ffff:127.0.0.1"],
    ["IPv4-mapped private", "::ffff:a00:1"],
    ["IPv4-compatible loopback", "::127.0.0.1"],
    ["IPv4-compatible public", "::8.8.8.8"],
    ["IPv4-translated", "::ffff:0:127.0.0.1"],
    ["NAT64 of loopback", "64:ff9b::127.0.0.1"],
    ["NAT64 of a public address", "64:ff9b::8.8.8.8"],
    ["local NAT64", "64:ff9b:1::1"],
    ["discard", "100::1"],
    ["Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    ["benchmarking", "2001:2::1"],
    ["ORCHID", "2001:20::1"],
    ["documentation", "2001:db8::1"],
    ["6to4 of loopback", "2002:7f00:1::"],
    ["6to4 of a public address", "2002:808:808::"],
    ["documentation", "3fff::1"],
    ["unassigned", "4000::1"],
    ["segment routing", "5f00::1"],
    ["unique local", "fc00::1"],
    ["unique local metadata", "fd00:ec2::254"],
    ["link-local", "fe80::1"],
    ["link-local with a zone", "fe80::1%eth0"],
    ["site-local", "fec0::1"],
    ["multicast", "ff02::1"],
    ["not an address", ""],
    ["not an address", "localhost"],
    ["not an address", "8.8.8"],
    ["octal", "0177.0.0.1"],
    ["hexadecimal", "0x8.0x8.0x8.0x8"],
    ["a number", "134744072"],
  ])("%s: %s", (_what, address) => {
    expect(permitsAddress(RULES, address)).toBe(false);
  });
});

describe("a target's host name", () => {
  const label = "a".repeat(63);
  test.each([
    ["an empty part", "a..b"],
    ["an empty first part", ".a"],
    ["two dots at its end", "yoursite.com.."],
    ["a part of 64 characters", `${label}a.example`],
    ["more than 253 characters", `${`${label}.`.repeat(3)}${"a".repeat(62)}`],
    ["characters that no name has", "a!b.example"],
  ])("with %s cannot exist", (_what, host) => {
    const refused = expect.objectContaining({ code: "unprocessable_url", field: "target_url" });
    expect(() => requireCallable(RULES, parseTargetUrl(`https://${host}/`))).toThrow(refused);
  });

  test.each([
    "yoursite.com",
    "yoursite.com.",
    "a_b.yoursite.com",
    `${label}.example`,
    "xn--mnchen-3ya.example",
    "a--b",
  ])("may be %s", (host) => {
    expect(() => requireCallable(RULES, parseTargetUrl(`https://${host}/`))).not.toThrow();
  });

  test("may have 253 characters", () => {
    const host = `${`${label}.`.repeat(3)}${"a".repeat(61)}`;
    expect(host).toHaveLength(253);
    expect(() => requireCallable(RULES, `https://${host}./`)).not.toThrow();
  });
});

describe("the operator's allowed networks", () => {
  const rules = { ...RULES, allow: parseNetworks("127.0.0.0/8, fd00::/8,10.1.2.3") };

  test.each([
    ["127.9.9.9", true],
    ["::ffff:127.0.0.1", true],
    ["fd12::1", true],
    ["10.1.2.3", true],
    ["10.1.2.4", false],
    ["::1", false],
    ["fe80::1", false],
    ["8.8.8.8", true],
  ])("%s is permitted: %s", (address, permitted) => {
    expect(permitsAddress(rules, address)).toBe(permitted);
  });

  test.each([
    "",
    "127.0.0.1/33",
    "::1/129",
    "10/8",
    "010.0.0.0/8",
    "::ffff:10.0.0.0/104",
    "a/8",
    "1.2.3.4/8/8",
    "1.2.3.4/",
  ])("%j is not a network", (text) => {
    expect(() => parseNetworks(text)).toThrow("expected networks such as");
  });
});

describe("the operator's denied networks", () => {
  const rules = {
    ...RULES,
    allow: parseNetworks("10.0.0.0/8,100.64.0.0/10,fd00::/8,169.254.0.0/16,192.0.0.0/24,fe80::/10"),
    deny: parseDeniedNetworks("platform, 8.8.8.0/24, 10.9.0.0/16"),
  };

  test.each([
    ["Azure's WireServer", "168.63.129.16"],
    ["Azure's WireServer, mapped", "::ffff:168.63.129.16"],
    ["metadata of most clouds", "169.254.169.254"],
    ["credentials of ECS", "169.254.170.2"],
    ["Alibaba's metadata", "100.100.100.200"],
    ["Alibaba's metadata over IPv6", "fd00:100::100:200"],
    ["AWS's metadata over IPv6", "fd00:ec2::254"],
    ["AWS's credentials of pods over IPv6", "fd00:ec2::23"],
    ["Google's metadata over IPv6", "fd20:ce::254"],
    ["Oracle's metadata over IPv6", "fd00:c1::a9fe:a9fe"],
    ["Oracle's classic metadata", "192.0.0.192"],
    ["IBM's services", "161.26.0.6"],
    ["IBM's endpoints", "166.11.255.254"],
    ["Scaleway's metadata over IPv6", "fd00:42::42"],
    ["Akamai's metadata over IPv6", "fd00:a9fe:a9fe::1"],
    ["Equinix Metal's metadata", "192.80.8.124"],
    ["link-local metadata over IPv6", "fe80::a9fe:a9fe"],
    ["link-local metadata with a zone", "fe80::a9fe:a9fe%eth0"],
    ["a public network of the operator's", "8.8.8.8"],
    ["a part of an allowed network", "10.9.1.1"],
  ])("win over the allowed and the public ones: %s, %s", (_what, address) => {
    expect(whyForbidden(rules, address)).toBe("denied");
  });

  test.each(["168.63.129.17", "100.100.100.201", "fd00:ec3::1", "10.8.1.1", "8.8.4.4", "166.12.0.1"])(
    "leave the neighbour %s alone",
    (address) => {
      expect(whyForbidden(rules, address)).toBeUndefined();
    },
  );

  test.each([
    ["", /expected `platform`/],
    ["platforms", /expected `platform`/],
    ["platform,none", /or `none`$/],
    ["platform;10.0.0.0/8", /separated by commas/],
  ])("%j is not a list of them", (text, expected) => {
    expect(() => parseDeniedNetworks(text)).toThrow(expected);
  });

  test("may be none", () => {
    expect(parseDeniedNetworks("none")).toEqual([]);
    expect(permitsAddress({ ...RULES, deny: [] }, "168.63.129.16")).toBe(true);
  });
});

describe("an allowed address that embeds an IPv4 address leads to it, so that one must be permitted too", () => {
  const rules = {
    ...RULES,
    allow: parseNetworks("::/0"),
    deny: parseDeniedNetworks("platform"),
  };

  test.each([
    ["NAT64", "64:ff9b::", "a83f:8110"],
    ["local NAT64", "64:ff9b:1::", "a83f:8110"],
    ["IPv4-translated", "::ffff:0:", "a83f:8110"],
    ["IPv4-compatible", "::", "a83f:8110"],
    ["6to4", "2002:a83f:8110::", "1"],
    ["Teredo", "2001:0:4136:e378:8000:63bf:", "57c0:7eef"],
  ])("Azure's platform address by way of %s", (_what, before, after) => {
    expect(whyForbidden(rules, `${before}${after}`)).toBe("denied");
  });

  test.each([
    ["a private address by way of NAT64", "64:ff9b::10.0.0.5", "not_public"],
    ["loopback by way of 6to4", "2002:7f00:1::", "not_public"],
    ["a public address by way of NAT64", "64:ff9b::8.8.8.8", undefined],
    ["loopback", "::1", undefined],
    ["an ordinary private address", "fd12::1", undefined],
  ])("%s (%s): %s", (_what, address, expected) => {
    expect(whyForbidden(rules, address)).toBe(expected);
  });

  test("a private address by way of NAT64 may be called if both are allowed", () => {
    const both = { ...RULES, allow: parseNetworks("64:ff9b::/96,10.0.0.0/8") };
    expect(permitsAddress(both, "64:ff9b::10.0.0.5")).toBe(true);
  });
});

describe("ports", () => {
  test.each([
    [80, true],
    [443, true],
    [8080, true],
    [65_535, true],
    [22, false],
    [25, false],
    [1_023, false],
    [0, false],
  ])("%s is permitted: %s", (port, permitted) => {
    expect(permitsPort(RULES, port)).toBe(permitted);
  });

  test("are parsed and formatted as ranges", () => {
    expect(formatPorts(parsePorts("443, 8000-8999"))).toBe("443,8000-8999");
  });

  test.each(["", "0", "65536", "9-8", "80;443", "-1", "http"])("%j is not a port range", (text) => {
    expect(() => parsePorts(text)).toThrow("expected ports such as");
  });
});

describe("a target URL with a forbidden port or literal address", () => {
  test.each([
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://127.0.0.1./",
    "http://[::ffff:127.0.0.1]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://ⓛocalhost/",
    "http://a.localhost/",
    "https://yoursite.com:22/",
    "https://yoursite.com:25/hook",
  ])("%s is refused", (text) => {
    expect(() => requireCallable(RULES, parseTargetUrl(text))).toThrow(
      expect.objectContaining({ code: "unprocessable_url", field: "target_url" }),
    );
  });

  test.each([
    "https://yoursite.com/",
    "https://yoursite.com:8443/",
    "http://8.8.8.8/",
    "http://[::ffff:8.8.8.8]/",
    "http://[2606:4700:4700::1111]/",
    "http://localhost.example.com/",
    "http://notlocalhost/",
    "http://10.example.com/",
  ])("%s is not refused", (text) => {
    expect(() => requireCallable(RULES, parseTargetUrl(text))).not.toThrow();
  });

  test("is refused if the operator denies it, in words that are true of a public address", () => {
    const rules = { ...RULES, deny: parseDeniedNetworks("platform") };
    expect(() => requireCallable(rules, "http://168.63.129.16/machine")).toThrow(
      "target_url has an address that deliveries may not reach; use a publicly reachable address",
    );
  });

  test("is not refused if the operator allows it", () => {
    const rules = { ...RULES, allow: parseNetworks("127.0.0.0/8") };
    expect(() => requireCallable(rules, "http://localhost:8080/")).not.toThrow();
    expect(() => requireCallable(rules, "http://[::1]/")).toThrow();
  });
});

test("a literal address is found in every spelling; a host name is not a literal address", () => {
  expect(literalAddress(new URL("http://0x7f.1/"))).toBe("127.0.0.1");
  expect(literalAddress(new URL("http://[::FFFF:7f00:1]/"))).toBe("::ffff:7f00:1");
  expect(literalAddress(new URL("http://1.2.3.4.example/"))).toBeUndefined();
});
