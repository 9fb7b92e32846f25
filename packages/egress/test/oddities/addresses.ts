import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { PLATFORM_NETWORKS, parseNetworks } from "@posthaste/domain";
import { refusedUrl } from "@posthaste/testkit";
import { seenOf } from "./bench.ts";
import { type Bench, HOST, type Oddity, OK, SHORT_MS } from "./oddity.ts";

/** For documentation: nobody has it (RFC 3849). This machine has no way there, or nobody answers. */
const IPV6_OF_NOBODY = "2001:db8::1";

/** Sends a delivery to a name with these addresses, of which 127.0.0.1 has a receiver. */
async function sendTo(bench: Bench, addresses: readonly string[]) {
  const site = await bench.receive({ answer: OK });
  const rules = { allow: parseNetworks("127.0.0.0/8,::1,2001:db8::/32") };
  const url = `http://${HOST}:${site.port}/`;
  return { ...seenOf(await bench.post({ url, addresses, rules })), requests: site.requests.length };
}

/** Tries a name or an address under rules that allow nothing but the public internet. */
async function sendToPublic(bench: Bench, host: string, addresses: readonly string[] = []) {
  return seenOf(await bench.post({ url: `http://${host}/`, addresses, rules: { allow: [] } }));
}

/** Sends a delivery to a name with these addresses, which are all allowed, although 127.0.0.1 is denied. */
async function sendToDenied(bench: Bench, addresses: readonly string[]) {
  const site = await bench.receive({ answer: OK });
  const rules = { allow: parseNetworks("127.0.0.0/8"), deny: parseNetworks("127.0.0.1") };
  const url = `http://${HOST}:${site.port}/`;
  return { ...seenOf(await bench.post({ url, addresses, rules })), requests: site.requests.length };
}

/** Addresses at which clouds serve their own machines: denied by default, however much is allowed. */
const OF_CLOUDS: readonly Oddity[] = (
  [
    ["Azure's agents, 168.63.129.16", "168.63.129.16", "RFC 3986 7.2"],
    ["Alibaba Cloud's metadata, 100.100.100.200", "100.100.100.200", "RFC 6598 4"],
    ["AWS's metadata, `fd00:ec2::254`", "fd00:ec2::254", "RFC 4193 4.1"],
    ["Google Cloud's metadata, `fd20:ce::254`", "fd20:ce::254", "RFC 4193 4.1"],
    ["the clouds' metadata in IPv6, `::ffff:169.254.169.254`", "::ffff:169.254.169.254", "RFC 4291 2.5.5.2"],
  ] as const
).map(([whose, address, clause]) => ({
  what: `has the address of ${whose}, where all networks are allowed`,
  ...{ clause, isOwnBound: true, expected: { outcome: "blocked", status: null } },
  find: async (bench) => {
    const rules = { allow: parseNetworks("0.0.0.0/0,::/0"), deny: PLATFORM_NETWORKS };
    const post = { url: `http://${HOST}/`, addresses: [address], rules, timeoutMs: SHORT_MS };
    return seenOf(await bench.post(post));
  },
}));

export const ADDRESSES: readonly Oddity[] = [
  {
    what: "has two addresses, and the first refuses",
    ...{ clause: "RFC 8305 5", expected: { outcome: "accepted", requests: 1 } },
    find: (bench) => sendTo(bench, ["127.0.0.2", "127.0.0.1"]),
  },
  {
    what: "has two addresses, and the second refuses",
    ...{ clause: "RFC 8305 5", expected: { outcome: "accepted", requests: 1 } },
    find: (bench) => sendTo(bench, ["127.0.0.1", "127.0.0.2"]),
  },
  {
    what: "has an IPv6 address, which refuses, and an IPv4 address",
    ...{ clause: "RFC 8305 5", expected: { outcome: "accepted", requests: 1 } },
    find: (bench) => sendTo(bench, ["::1", "127.0.0.1"]),
  },
  {
    what: "has an IPv6 address to which no way leads, and an IPv4 address",
    ...{ clause: "RFC 8305 5", expected: { outcome: "accepted", requests: 1 } },
    find: (bench) => sendTo(bench, [IPV6_OF_NOBODY, "127.0.0.1"]),
  },
  {
    what: "has several addresses, and all refuse",
    ...{ clause: "RFC 8305 5", expected: { outcome: "refused", detail: "ECONNREFUSED" } },
    find: async (bench) => {
      const { port } = new URL(await refusedUrl());
      const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
      return seenOf(await bench.post({ url: `http://${HOST}:${port}/`, addresses }));
    },
  },
  {
    what: "has a public and a private address",
    ...{ clause: "RFC 1918 3", expected: { outcome: "blocked", status: null } },
    find: (bench) => sendToPublic(bench, HOST, ["8.8.8.8", "10.0.0.5"]),
  },
  {
    what: "has the address of the clouds' metadata, 169.254.169.254",
    ...{ clause: "RFC 3927 7", expected: { outcome: "blocked", status: null } },
    find: (bench) => sendToPublic(bench, HOST, ["169.254.169.254"]),
  },
  {
    what: "has an address of a carrier's network, 100.64.0.1",
    ...{ clause: "RFC 6598 4", expected: { outcome: "blocked", status: null } },
    find: (bench) => sendToPublic(bench, HOST, ["100.64.0.1"]),
  },
  {
    what: "has an IPv6 address of a private network, `fd00::1`",
    ...{ clause: "RFC 4193 4.1", expected: { outcome: "blocked", status: null } },
    find: (bench) => sendToPublic(bench, HOST, ["fd00::1"]),
  },
  {
    what: "has a loopback address in IPv6, `::ffff:127.0.0.1`",
    ...{ clause: "RFC 4291 2.5.5.2", expected: { outcome: "blocked", status: null } },
    find: (bench) => sendToPublic(bench, HOST, ["::ffff:127.0.0.1"]),
  },
  {
    what: "has a loopback address behind NAT64, `64:ff9b::7f00:1`",
    ...{ clause: "RFC 6052 3.1", expected: { outcome: "blocked", status: null } },
    find: (bench) => sendToPublic(bench, HOST, ["64:ff9b::7f00:1"]),
  },
  ...OF_CLOUDS,
  {
    what: "has an address that the operator allows and also denies",
    ...{ clause: "RFC 3986 7.2", isOwnBound: true, expected: { outcome: "blocked", requests: 0 } },
    find: (bench) => sendToDenied(bench, ["127.0.0.1"]),
  },
  {
    what: "has such an address in IPv6, `::ffff:127.0.0.1`",
    ...{ clause: "RFC 4291 2.5.5.2", isOwnBound: true, expected: { outcome: "blocked", requests: 0 } },
    find: (bench) => sendToDenied(bench, ["::ffff:127.0.0.1"]),
  },
  {
    what: "has two addresses, of which the operator denies the second",
    ...{ clause: "RFC 3986 7.2", isOwnBound: true, expected: { outcome: "blocked", requests: 0 } },
    find: (bench) => sendToDenied(bench, ["127.0.0.2", "127.0.0.1"]),
  },
  {
    what: "is a private address in a URL, also as a number, `http://2130706433/`",
    ...{ clause: "RFC 1122 3.2.1.3", expected: { outcome: "blocked", status: null } },
    find: (bench) => sendToPublic(bench, "2130706433"),
  },
  {
    what: "has a URL with a private address",
    ...{ clause: "RFC 1918 3", expected: { outcome: "not subscribed" } },
    subscribed: "https://10.0.0.5/",
  },
  {
    what: "has a URL with the address of Azure's agents, 168.63.129.16",
    ...{ clause: "RFC 3986 7.2", isOwnBound: true, expected: { outcome: "not subscribed" } },
    subscribed: "https://168.63.129.16/",
  },
  {
    what: "has a URL with port 25, of mail",
    ...{ clause: "RFC 3986 7.2", isOwnBound: true, expected: { outcome: "not subscribed" } },
    subscribed: "https://yoursite.example:25/",
  },
  {
    what: "is behind a proxy that opens a tunnel to the second address alone",
    ...{ clause: "RFC 8305 5", expected: { outcome: "accepted" } },
    find: async (bench) => {
      const { port } = await bench.receive({ answer: OK });
      const proxy = (await bench.proxy()).url;
      const addresses = ["127.0.0.2", "127.0.0.1"];
      return seenOf(await bench.post({ url: `http://${HOST}:${port}/`, addresses, proxy }));
    },
  },
  {
    what: "is behind a proxy that refuses to open a tunnel (403)",
    ...{ clause: "RFC 9110 9.3.6", expected: { outcome: "unreachable", detail: "PROXY_403" } },
    find: async (bench) => {
      const server = createServer().on("connect", (_request, socket: Socket) => {
        socket.on("error", () => {}).end("HTTP/1.1 403 Forbidden\r\n\r\n");
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      bench.later(() => server.close());
      const proxy = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      return seenOf(await bench.post({ url: `http://${HOST}/`, proxy, timeoutMs: 20 * SHORT_MS }));
    },
  },
];
