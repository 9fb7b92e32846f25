import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import {
  type AccountId,
  EGRESS_PORTS_DEFAULT,
  PLATFORM_NETWORKS,
  parseDeniedNetworks,
  parseNetworks,
  parseTargetUrl,
  Refusal,
  requireCallable,
} from "@posthaste/domain";
import {
  type ConnectProxy,
  certificateFor,
  type Receiver,
  refusedUrl,
  startConnectProxy,
  startReceiver,
} from "@posthaste/testkit";
import { Client } from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { directly } from "./connect.ts";
import { createEgress, type EgressOptions } from "./egress.ts";
import { type Lookup, resolveTarget, TargetBlocked } from "./resolve-target.ts";
import { createTlsReads, createTlsTurns } from "./tls-turns.ts";

const ACCOUNT = 1 as AccountId;
/** For attempts that do not time out, however busy the machine is. */
const TIMEOUT_MS = 60_000;
const RULES = { allow: [], deny: [], ports: EGRESS_PORTS_DEFAULT };
/** As an operator has them by default. */
const BY_DEFAULT = { ...RULES, deny: PLATFORM_NETWORKS };
const BODY = Buffer.from("[{}]");
const post = async (options: EgressOptions, url: string) => {
  const egress = createEgress(options);
  try {
    return await egress.post({
      url,
      headers: {},
      body: BODY,
      acceptance: "OK_ONLY",
      accountId: ACCOUNT,
      timeoutMs: TIMEOUT_MS,
    });
  } finally {
    egress.close();
  }
};

/** The addresses of names in these tests. A real resolver cannot be made to answer like this. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "private.example": ["10.0.0.5"],
  "loopback.example": ["127.0.0.1"],
  "loopback6.example": ["::1"],
  "both.example": ["8.8.8.8", "127.0.0.1"],
  "both6.example": ["2606:4700:4700::1111", "::ffff:127.0.0.1"],
  "metadata.internal.example": ["169.254.169.254"],
  "compatible.example": ["::127.0.0.1"],
  "zone.example": ["fe80::1%1"],
  "xn--mnchen-3ya.example": ["127.0.0.1"],
  "trailing.example.": ["127.0.0.1"],
  "nat64.example": ["64:ff9b::7f00:1"],
  "platform.example": ["168.63.129.16"],
  // As the system's resolver answers. Another test below uses that resolver itself.
  localhost: ["127.0.0.1", "::1"],
  "localhost.": ["::1"],
  "anything.localhost": ["127.0.0.1"],
};
const named: Lookup = async (hostname) =>
  (NAMES[hostname] ?? []).map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));

describe("no private address is reached", () => {
  let listener: Server;
  let port: number;
  let connections = 0;
  beforeAll(async () => {
    // Listens on every address of this machine, IPv4 and IPv6.
    listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, "::", resolve));
    const address = listener.address();
    port = typeof address === "object" && address !== null ? address.port : 0;
  });
  afterAll(() => listener.close());

  /**
   * At subscription, a host is not valid in a URL, refused, or accepted because its name must first be
   * resolved.
   */
  const HOSTS: readonly (readonly [
    what: string,
    host: string,
    atSubscription: "invalid" | "refused" | "accepted",
  ])[] = [
    ["loopback", "127.0.0.1", "refused"],
    ["another loopback", "127.255.255.254", "refused"],
    ["decimal", "2130706433", "refused"],
    ["octal", "0177.0.0.1", "refused"],
    ["octal with more zeros", "00000177.0.0.01", "refused"],
    ["octal as one number", "017700000001", "refused"],
    ["hexadecimal", "0x7f000001", "refused"],
    ["hexadecimal parts", "0x7f.0x0.0x0.0x1", "refused"],
    ["mixed bases", "0x7f.0.0.01", "refused"],
    ["short", "127.1", "refused"],
    ["shorter", "0x7f.1", "refused"],
    ["three parts", "127.0.1", "refused"],
    ["zero", "0", "refused"],
    ["unspecified", "0.0.0.0", "refused"],
    ["percent-encoded", "%31%32%37.0.0.1", "refused"],
    ["full-width digits", "１２７.0.0.1", "refused"],
    ["circled digits", "①②⑦.⓪.⓪.①", "refused"],
    ["ideographic full stops", "127。0。0。1", "refused"],
    ["with a trailing dot", "127.0.0.1.", "refused"],
    ["too large a part", "127.0.0.256", "invalid"],
    ["private A", "10.0.0.1", "refused"],
    ["private B", "172.16.5.4", "refused"],
    ["private C", "192.168.0.1", "refused"],
    ["carrier NAT", "100.64.0.1", "refused"],
    ["link-local", "169.254.0.1", "refused"],
    ["cloud metadata", "169.254.169.254", "refused"],
    ["cloud metadata as a number", "2852039166", "refused"],
    ["cloud metadata in hexadecimal", "0xa9fea9fe", "refused"],
    ["another cloud's metadata", "100.100.100.200", "refused"],
    ["a third cloud's metadata", "192.0.0.192", "refused"],
    ["Azure's platform address", "168.63.129.16", "refused"],
    ["Azure's platform address as a number", "2822734096", "refused"],
    ["Azure's platform address, mapped", "[::ffff:168.63.129.16]", "refused"],
    ["multicast", "224.0.0.1", "refused"],
    ["broadcast", "255.255.255.255", "refused"],
    ["documentation", "192.0.2.1", "refused"],
    ["IPv6 loopback", "[::1]", "refused"],
    ["IPv6 loopback in full", "[0000:0000:0000:0000:0000:0000:0000:0001]", "refused"],
    ["IPv6 unspecified", "[::]", "refused"],
    ["mapped loopback", "[::ffff:127.0.0.1]", "refused"],
    ["mapped loopback in hexadecimal", "[::ffff:7f00:1]", "refused"],
    ["mapped loopback in full", "[0:0:0:0:0:ffff:127.0.0.1]", "refused"],
    ["mapped private", "[::ffff:10.0.0.1]", "refused"],
    ["mapped metadata", "[::ffff:a9fe:a9fe]", "refused"],
    ["compatible loopback", "[::127.0.0.1]", "refused"],
    ["translated loopback", "[::ffff:0:127.0.0.1]", "refused"],
    ["6to4 of loopback", "[2002:7f00:1::]", "refused"],
    ["6to4 of private", "[2002:a00:1::1]", "refused"],
    ["Teredo", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "refused"],
    ["NAT64 of loopback", "[64:ff9b::127.0.0.1]", "refused"],
    ["NAT64 of metadata", "[64:ff9b::a9fe:a9fe]", "refused"],
    ["local NAT64", "[64:ff9b:1::7f00:1]", "refused"],
    ["unique local", "[fd00::1]", "refused"],
    ["IPv6 metadata", "[fd00:ec2::254]", "refused"],
    ["IPv6 link-local", "[fe80::1]", "refused"],
    ["a zone id", "[fe80::1%25lo]", "invalid"],
    ["a zone id on loopback", "[::1%25lo]", "invalid"],
    ["site-local", "[fec0::1]", "refused"],
    ["IPv6 multicast", "[ff02::1]", "refused"],
    ["localhost", "localhost", "refused"],
    ["localhost with a dot", "localhost.", "refused"],
    ["LOCALHOST", "LOCALHOST", "refused"],
    ["circled localhost", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "refused"],
    ["under localhost", "anything.localhost", "refused"],
    ["credentials before it", "yoursite.com@127.0.0.1", "refused"],
    ["a password before it", "yoursite.com:443@127.0.0.1", "refused"],
    ["a backslash", "127.0.0.1\\@yoursite.com", "refused"],
    ["a tab inside", "127.0.\t0.1", "invalid"],
    ["a name of a private address", "private.example", "accepted"],
    ["a name of loopback", "loopback.example", "accepted"],
    ["a name of IPv6 loopback", "loopback6.example", "accepted"],
    ["a name of a public and a private address", "both.example", "accepted"],
    ["a name of a public and a mapped private address", "both6.example", "accepted"],
    ["a name of metadata", "metadata.internal.example", "accepted"],
    ["a name of a compatible address", "compatible.example", "accepted"],
    ["a name of an address with a zone", "zone.example", "accepted"],
    ["an international name", "münchen.example", "accepted"],
    ["a name with a trailing dot", "trailing.example.", "accepted"],
    ["a name of NAT64", "nat64.example", "accepted"],
    ["a name of Azure's platform address", "platform.example", "accepted"],
  ];

  test("the list has at least 60 hosts", () => {
    expect(new Set(HOSTS.map(([, host]) => host)).size).toBeGreaterThanOrEqual(60);
  });

  test.each(HOSTS)("%s: %s is %s at subscription, blocked at the attempt", async (_what, host, expected) => {
    // A backslash begins the path of an http URL, so the port must stand before it.
    const text = host.includes("\\")
      ? `http://${host.replace("\\", `:${port}\\`)}/`
      : `http://${host}:${port}/`;
    expect(atSubscription(text)).toBe(expected);
    if (!URL.canParse(text)) return;
    // As if the subscription were older than the check.
    expect(await post({ rules: BY_DEFAULT, lookup: named }, text)).toMatchObject({
      outcome: "blocked",
      address: null,
      status: null,
    });
    expect(connections).toBe(0);
  });

  test.each([
    ["localhost with the system's resolver", (at: number) => `http://localhost:${at}/`],
    ["the same through TLS", (at: number) => `https://localhost:${at}/`],
    ["another scheme", () => "ftp://8.8.8.8/"],
    ["a port of another protocol", () => "http://8.8.8.8:25/"],
  ])("%s is blocked", async (_what, urlAt) => {
    expect(await post({ rules: RULES }, urlAt(port))).toMatchObject({ outcome: "blocked", address: null });
    expect(connections).toBe(0);
  });

  test("the detail for the subscriber does not name the private address", async () => {
    const result = await post({ rules: RULES, lookup: named }, `http://private.example:${port}/`);
    expect(result.detail).toBe("the target's address is not on the public internet");
    expect(result.blockedFor).toBe("10.0.0.5");
  });

  test("what is denied is blocked although it is allowed, and the detail says no address", async () => {
    const deny = parseDeniedNetworks("platform,127.0.0.1");
    const rules = { ...RULES, allow: parseNetworks("127.0.0.0/8,64:ff9b::/96"), deny };
    const detail = "deliveries may not reach the target's address";
    for (const [host, blockedFor] of [
      ["127.0.0.1", "127.0.0.1"],
      ["loopback.example", "127.0.0.1"],
      ["[64:ff9b::168.63.129.16]", "64:ff9b::a83f:8110"],
    ]) {
      const result = await post({ rules, lookup: named }, `http://${host}:${port}/`);
      expect(result).toMatchObject({ outcome: "blocked", detail, blockedFor });
    }
    expect(connections).toBe(0);
  });

  function atSubscription(text: string): "invalid" | "refused" | "accepted" {
    try {
      requireCallable(BY_DEFAULT, parseTargetUrl(text));
      return "accepted";
    } catch (error) {
      if (error instanceof Refusal) return error.code === "invalid" ? "invalid" : "refused";
      throw error;
    }
  }
});

describe("public addresses that look private are permitted", () => {
  test.each([
    ["http://[::ffff:8.8.8.8]/", ["::ffff:808:808"]],
    ["http://134744072/", ["8.8.8.8"]],
    ["http://0x8.8.8.8/", ["8.8.8.8"]],
    ["http://8.8.8.8./", ["8.8.8.8"]],
    ["http://[2606:4700:4700::1111]/", ["2606:4700:4700::1111"]],
    ["http://127.0.0.1.example/", ["8.8.4.4"]],
  ])("%s", async (url, addresses) => {
    const lookup: Lookup = async () => [{ address: "8.8.4.4", family: 4 }];
    const found = await resolveTarget(new URL(url), RULES, lookup);
    expect(found.map(({ address }) => address)).toEqual(addresses);
  });
});

describe("the address dialled is the address checked", () => {
  let receiver: Receiver;
  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(() => receiver.stop());

  test("a name is resolved once per attempt, and checked again at the next attempt", async () => {
    // The receiver listens on 127.0.0.1 only, which is not allowed; 127.0.0.2 refuses.
    const answers = ["127.0.0.2", "127.0.0.1", "127.0.0.1"];
    const lookup: Lookup = async () => [{ address: answers.shift() ?? "", family: 4 }];
    const options = { rules: { ...RULES, allow: parseNetworks("127.0.0.2") }, lookup };
    const url = `http://rebinding.example:${receiver.port}/`;
    expect(await post(options, url)).toMatchObject({ outcome: "refused" });
    expect(answers).toHaveLength(2);
    expect(await post(options, url)).toMatchObject({ outcome: "blocked" });
    expect(receiver.requests).toHaveLength(0);
  });

  test("a redirect to loopback is a failure and is not followed", async () => {
    const inside = await startReceiver();
    try {
      receiver.answer({ kind: "status", status: 307, headers: { location: inside.url } });
      const options = { rules: { ...RULES, allow: parseNetworks("127.0.0.1") } };
      expect(await post(options, receiver.url)).toMatchObject({ outcome: "redirect", status: 307 });
      expect(inside.requests).toHaveLength(0);
    } finally {
      await inside.stop();
    }
  });

  test("the addresses of a name are tried until one answers", async () => {
    const lookup: Lookup = async () => [
      { address: "127.0.0.9", family: 4 },
      { address: "127.0.0.1", family: 4 },
    ];
    const options = { rules: { ...RULES, allow: parseNetworks("127.0.0.0/8") }, lookup };
    expect(await post(options, `http://several.example:${receiver.port}/`)).toMatchObject({
      outcome: "accepted",
      address: `127.0.0.1:${receiver.port}`,
    });
  });

  test("the remote address is checked once more before anything is sent", async () => {
    const connect = directly({
      rules: RULES,
      // As if the earlier check had permitted it.
      addresses: [{ address: "127.0.0.1", family: 4 }],
      ca: undefined,
      reads: () => createTlsReads(ACCOUNT),
      turns: createTlsTurns(),
      onRead: () => {},
      abandonMs: 5_000,
      signal: new AbortController().signal,
      onLack: () => {},
      onProxyReached: () => {},
      onDialled: () => {
        throw new Error("the address was dialled");
      },
    });
    const client = new Client(`http://anything.example:${receiver.port}`, { connect });
    const request = client.request({ method: "POST", path: "/", body: BODY });
    await expect(request).rejects.toBeInstanceOf(TargetBlocked);
    await client.destroy();
    expect(receiver.requests).toHaveLength(0);
  });

  test("a resolver that does not answer leads to a timeout at the deadline", async () => {
    const lookup: Lookup = () => new Promise(() => {});
    const egress = createEgress({ rules: RULES, lookup });
    const request = {
      url: "http://slow.example/",
      headers: {},
      body: BODY,
      acceptance: "OK_ONLY" as const,
      accountId: ACCOUNT,
    };
    expect(await egress.post({ ...request, timeoutMs: 100 })).toMatchObject({
      outcome: "timeout",
      address: null,
    });
  });
});

describe("through a proxy", () => {
  const allow = parseNetworks("127.0.0.0/8");
  const lookup: Lookup = async () => [{ address: "127.0.0.1", family: 4 }];
  let receiver: Receiver;
  let proxy: ConnectProxy;
  beforeEach(async () => {
    receiver = await startReceiver();
    proxy = await startConnectProxy({ credentials: "posthaste:pass" });
  });
  afterEach(async () => {
    await proxy.stop();
    await receiver.stop();
  });
  const options = (): EgressOptions => ({ rules: { ...RULES, allow }, lookup, proxy: proxy.url });

  test("the tunnel leads to the checked address, and the request names the host", async () => {
    const url = `http://yoursite.example:${receiver.port}/hook`;
    expect(await post(options(), url)).toMatchObject({
      outcome: "accepted",
      address: `127.0.0.1:${receiver.port}`,
    });
    expect(proxy.authorities).toEqual([`127.0.0.1:${receiver.port}`]);
    expect(receiver.requests[0]?.headers["host"]).toBe(`yoursite.example:${receiver.port}`);
    expect(receiver.requests[0]?.headers["proxy-authorization"]).toBeUndefined();
  });

  test("TLS accepts the certificate of the URL's host and no other", async () => {
    const certificate = await certificateFor("yoursite.example");
    const secure = await startReceiver({ tls: certificate });
    try {
      const trusting = { ...options(), ca: certificate.cert };
      const at = (host: string) => `https://${host}:${secure.port}/hook`;
      expect(await post(trusting, at("yoursite.example"))).toMatchObject({ outcome: "accepted" });
      expect(await post(trusting, at("othersite.example"))).toMatchObject({ outcome: "tls" });
      expect(proxy.authorities).toEqual([`127.0.0.1:${secure.port}`, `127.0.0.1:${secure.port}`]);
      expect(secure.requests).toHaveLength(1);
    } finally {
      await secure.stop();
    }
  });

  test("a blocked target does not reach the proxy", async () => {
    expect(await post({ ...options(), rules: RULES }, receiver.url)).toMatchObject({ outcome: "blocked" });
    expect(proxy.authorities).toHaveLength(0);
  });

  test("a target that the proxy cannot reach is unreachable, and a receiver that hangs times out", async () => {
    const { port } = new URL(await refusedUrl());
    expect(await post(options(), `http://127.0.0.1:${port}/`)).toMatchObject({
      outcome: "unreachable",
      detail: "PROXY_502",
    });
    receiver.answer({ kind: "hang" });
    const egress = createEgress(options());
    const request = {
      url: receiver.url,
      headers: {},
      body: BODY,
      acceptance: "OK_ONLY" as const,
      accountId: ACCOUNT,
    };
    expect(await egress.post({ ...request, timeoutMs: 300 })).toMatchObject({ outcome: "timeout" });
    await expect.poll(() => receiver.open()).toBe(0);
  });

  test("a proxy that is unreachable or refuses the credentials is a fault", async () => {
    const wrong = new URL(proxy.url);
    wrong.password = "other";
    await expect(post({ ...options(), proxy: wrong }, receiver.url)).rejects.toThrow(
      "refuses the credentials",
    );
    const gone = new URL(await refusedUrl());
    await expect(post({ ...options(), proxy: gone }, receiver.url)).rejects.toThrow("cannot be reached");
  });
});

describe("through a proxy that accepts connections and stays silent", () => {
  let silent: Server;
  let open: Set<Socket>;
  beforeEach(async () => {
    open = new Set();
    silent = createServer((socket) => {
      open.add(socket);
      // It reads what it gets, or it would not see that the other end closed.
      socket
        .on("error", () => {})
        .once("close", () => open.delete(socket))
        .resume();
    });
    await once(silent.listen(0, "127.0.0.1"), "listening");
  });
  afterEach(async () => {
    await new Promise((resolve) => silent.close(resolve));
  });
  const lookup: Lookup = async () => [{ address: "203.0.113.1", family: 4 }];
  const rules = { ...RULES, allow: parseNetworks("203.0.113.0/24") };
  const postThrough = (scheme: string, url: string) => {
    const proxy = new URL(`${scheme}://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    const request = {
      url,
      headers: {},
      body: BODY,
      acceptance: "OK_ONLY" as const,
      accountId: ACCOUNT,
      timeoutMs: 300,
    };
    return createEgress({ rules, lookup, proxy }).post(request);
  };

  test.each(["http", "https"])(
    "an attempt over %s ends at its deadline, and its log says why",
    async (to) => {
      expect(await postThrough("http", `${to}://yoursite.example/`)).toMatchObject({
        outcome: "timeout",
        detail: "the outbound proxy opened no tunnel within 300 ms",
        address: null,
      });
      await expect.poll(() => open.size).toBe(0);
    },
  );

  test("an attempt is a fault, and not the receiver's, if not even the connection to the proxy is made", async () => {
    // The handshake of TLS belongs to the connection.
    await expect(postThrough("https", "http://yoursite.example/")).rejects.toThrow(
      "the outbound proxy did not accept a connection within 300 ms",
    );
    await expect.poll(() => open.size).toBe(0);
  });
});

test("TLS without a proxy accepts the certificate of the URL's host and no other", async () => {
  const certificate = await certificateFor("yoursite.example");
  const secure = await startReceiver({ tls: certificate });
  try {
    const lookup: Lookup = async () => [{ address: "127.0.0.1", family: 4 }];
    const rules = { ...RULES, allow: parseNetworks("127.0.0.1") };
    const at = (host: string) =>
      post({ rules, lookup, ca: certificate.cert }, `https://${host}:${secure.port}/`);
    expect(await at("yoursite.example")).toMatchObject({ outcome: "accepted" });
    expect(await at("othersite.example")).toMatchObject({ outcome: "tls" });
  } finally {
    await secure.stop();
  }
});
