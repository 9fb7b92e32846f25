import { BlockList, isIPv4 } from "node:net";
import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EGRESS_PORTS_DEFAULT,
  literalAddress,
  parseNetworks,
  parsePorts,
  permitsAddress,
  requireCallable,
} from "./egress-rules.ts";
import { parseDeniedNetworks } from "./platform-networks.ts";
import { Refusal } from "./refusal.ts";
import { parseTargetUrl } from "./target-url.ts";

const RULES = { allow: [], deny: [], ports: EGRESS_PORTS_DEFAULT };

/** IANA's special-purpose registry for IPv4, as a model independent of the library under test. */
const SPECIAL_IPV4 = blocks("ipv4", [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
]);
const GLOBAL_IPV6 = blocks("ipv6", [["2000::", 3]]);
const SPECIAL_IPV6 = blocks("ipv6", [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["2620:4f:8000::", 48],
  ["3fff::", 20],
]);

function blocks(family: "ipv4" | "ipv6", networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, bits] of networks) list.addSubnet(network, bits, family);
  return list;
}
const dotted = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255].join(".");
const modelIpv4 = (n: number) => !SPECIAL_IPV4.check(dotted(n), "ipv4");

/** Half of the addresses are near the edges of special networks. */
const ipv4 = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc
    .tuple(
      fc.constantFrom(
        0x0a,
        0x64_40,
        0x7f,
        0xa9_fe,
        0xac_10,
        0xac_1f,
        0xc0_a8,
        0xc6_12,
        0xe0,
        0xf0,
        0x00,
        0xff_ff,
      ),
      fc.integer({ min: -2, max: 2 }),
      fc.integer({ min: 0, max: 0xffff }),
    )
    .map(
      ([prefix, off, rest]) =>
        (((prefix > 255 ? prefix << 16 : prefix << 24) >>> 0) + off * 65_536 + rest) >>> 0,
    ),
);

/** All the ways in which a URL may spell an IPv4 address. */
const spelling = fc.constantFrom<(n: number) => string>(
  dotted,
  (n) => String(n),
  (n) => `0x${n.toString(16)}`,
  (n) => `0${n.toString(8)}`,
  (n) => `${n >>> 24}.${n & 0xff_ffff}`,
  (n) => `${n >>> 24}.${(n >>> 16) & 255}.${n & 0xffff}`,
  (n) =>
    dotted(n)
      .split(".")
      .map((part) => `0x${Number(part).toString(16)}`)
      .join("."),
  (n) =>
    dotted(n)
      .split(".")
      .map((part) => `0${Number(part).toString(8)}`)
      .join("."),
  (n) => `${dotted(n)}.`,
  (n) => dotted(n).replaceAll(".", "。"),
  (n) => dotted(n).replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  (n) => dotted(n).replaceAll(/\d/g, (digit) => `%3${digit}`),
  (n) => `[::ffff:${dotted(n)}]`,
  (n) => `[::ffff:${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}]`,
  (n) => `[0:0:0:0:0:FFFF:${dotted(n)}]`,
);

test("an IPv4 address is permitted if the registry lists it as public, in every spelling of a URL", () => {
  fc.assert(
    fc.property(ipv4, spelling, (n, spell) => {
      const literal = literalAddress(new URL(`http://${spell(n)}/`));
      expect(literal).toBeDefined();
      expect(permitsAddress(RULES, literal ?? "")).toBe(modelIpv4(n));
      expect(permitsAddress(RULES, dotted(n))).toBe(modelIpv4(n));
    }),
    fuzzing(),
  );
});

test("no spelling of a denied address is permitted, whatever is allowed", () => {
  const networks = fc.tuple(ipv4, fc.integer({ min: 0, max: 32 }));
  fc.assert(
    fc.property(
      ipv4,
      spelling,
      fc.array(networks),
      fc.integer({ min: 8, max: 32 }),
      (n, spell, also, bits) => {
        const deny = parseDeniedNetworks([`${dotted(n)}/${bits}`, "platform"].join(","));
        const allow = parseNetworks(["::/0", ...also.map(([of, of2]) => `${dotted(of)}/${of2}`)].join(","));
        const rules = { ...RULES, allow, deny };
        const [a, b] = [(n >>> 16).toString(16), (n & 0xffff).toString(16)];
        const texts = [
          literalAddress(new URL(`http://${spell(n)}/`)) ?? "",
          `64:ff9b::${a}:${b}`,
          `::ffff:0:${a}:${b}`,
          `2002:${a}:${b}::1`,
        ];
        for (const text of texts) expect(permitsAddress(rules, text)).toBe(false);
      },
    ),
    fuzzing(),
  );
});

const group = fc.integer({ min: 0, max: 0xffff }).map((part) => part.toString(16));
const ipv6 = fc
  .tuple(
    fc.oneof(
      fc.constantFrom(
        "0",
        "64",
        "100",
        "2000",
        "2001",
        "2002",
        "2606",
        "2620",
        "2a00",
        "3ffe",
        "3fff",
        "4000",
        "5f00",
        "fc00",
        "fd00",
        "fe80",
        "fec0",
        "ff02",
      ),
      group,
    ),
    fc.oneof(fc.constantFrom("0", "2", "3", "db8", "ff9b", "4f", "ffff", "1ff", "200"), group),
    fc.array(fc.oneof(fc.constant("0"), group), { minLength: 6, maxLength: 6 }),
  )
  .map(([first, second, rest]) => [first, second, ...rest].join(":"));

test("an IPv6 address is permitted only in the registry's public ranges", () => {
  fc.assert(
    fc.property(ipv6, fc.boolean(), (address, shortened) => {
      const hostname = new URL(`http://[${address}]/`).hostname.slice(1, -1);
      const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(hostname);
      const model =
        mapped === null
          ? GLOBAL_IPV6.check(address, "ipv6") && !SPECIAL_IPV6.check(address, "ipv6")
          : modelIpv4(
              ((Number.parseInt(mapped[1] ?? "", 16) << 16) | Number.parseInt(mapped[2] ?? "", 16)) >>> 0,
            );
      expect(permitsAddress(RULES, shortened ? hostname : address)).toBe(model);
    }),
    fuzzing(),
  );
});

const anything = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: fc.constantFrom(..."0123456789abcdefx.:[]%/@#?-, "), maxLength: 60 }),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc.ipV4Extended(),
  fc.ipV6(),
);

describe("any text", () => {
  test("is either a permitted address or not, without an error", () => {
    fc.assert(
      fc.property(anything, (text) => {
        const permitted = permitsAddress(RULES, text);
        if (permitted && isIPv4(text)) expect(SPECIAL_IPV4.check(text, "ipv4")).toBe(false);
      }),
      fuzzing(),
    );
  });

  test("parses as networks or ports, or gives an error with an example", () => {
    fc.assert(
      fc.property(anything, (text) => {
        for (const [parse, words] of [
          [parseNetworks, "expected networks such as"],
          [parseDeniedNetworks, "expected `platform` or networks such as"],
          [parsePorts, "expected ports such as"],
        ] as const) {
          try {
            parse(text);
          } catch (error) {
            expect((error as Error).message).toContain(words);
          }
        }
      }),
      fuzzing(),
    );
  });

  test("is refused as a target URL, or normalises to a stable URL without a private address", () => {
    const urlLike = fc.oneof(
      anything,
      anything.map((text) => `http://${text}`),
      anything.map((text) => `https://${text}/hook`),
    );
    fc.assert(
      fc.property(urlLike, (text) => {
        try {
          const url = parseTargetUrl(text);
          requireCallable(RULES, url);
          expect(parseTargetUrl(url)).toBe(url);
          const literal = literalAddress(new URL(url));
          expect(literal === undefined || permitsAddress(RULES, literal)).toBe(true);
          expect(url).toMatch(/^https?:\/\/[^@/]+\//);
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          expect(["invalid", "unprocessable_url"]).toContain(error.code);
        }
      }),
      fuzzing(),
    );
  });
});
