import { createServer as createHttpServer } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { type ConnectProxy, certificateFor, startConnectProxy } from "@posthaste/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createEgress } from "./egress.ts";

const ACCOUNT = 1 as AccountId;
/** For attempts that do not time out, however busy the machine is. */
const TIMEOUT_MS = 60_000;
const REQUEST = {
  headers: {},
  body: Buffer.from("{}"),
  acceptance: "OK_ONLY",
  accountId: ACCOUNT,
  timeoutMs: TIMEOUT_MS,
} as const;
const HOST = "yoursite.example";
let certificate: Awaited<ReturnType<typeof certificateFor>>;
let receiver: Http2SecureServer;
let proxy: ConnectProxy;
const spoken: string[] = [];

beforeAll(async () => {
  certificate = await certificateFor(HOST);
  // Like most web servers, this one prefers HTTP/2 but also speaks HTTP/1.1.
  receiver = createSecureServer({ ...certificate, allowHTTP1: true }, (request, response) => {
    spoken.push(request.httpVersion);
    response.setHeader("x-seen", "yes");
    response.end("thanks");
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  proxy = await startConnectProxy();
});
afterAll(async () => {
  await proxy.stop();
  await new Promise((resolve) => receiver.close(resolve));
});

test.each(["directly", "through a proxy"])(
  "a receiver that prefers HTTP/2 gets HTTP/1.1, %s",
  async (way) => {
    const egress = createEgress({
      rules: { allow: parseNetworks("127.0.0.1"), deny: [], ports: EGRESS_PORTS_DEFAULT },
      lookup: async () => [{ address: "127.0.0.1", family: 4 }],
      ca: certificate.cert,
      proxy: way === "directly" ? undefined : proxy.url,
    });
    spoken.length = 0;
    try {
      const { port } = receiver.address() as AddressInfo;
      const result = await egress.post({ ...REQUEST, url: `https://${HOST}:${port}/hook` });
      expect(spoken).toEqual(["1.1"]);
      expect(result.responseHeaders).toContainEqual(["x-seen", "yes"]);
      expect(result).toMatchObject({ outcome: "accepted", status: 200, responseBody: Buffer.from("thanks") });
    } finally {
      egress.close();
    }
  },
);

test("a proxy that prefers HTTP/2 gets HTTP/1.1", async () => {
  const own = await certificateFor("localhost");
  const trusted = getCACertificates();
  setDefaultCACertificates([...trusted, own.cert]);
  const asked: (string | false | null)[] = [];
  const secureProxy = createServer({ ...own, ALPNProtocols: ["h2", "http/1.1"] });
  secureProxy.on("secureConnection", (socket) => asked.push(socket.alpnProtocol));
  secureProxy.on("connect", (_request, socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
  await new Promise<void>((resolve) => secureProxy.listen(0, "localhost", resolve));
  const egress = createEgress({
    rules: { allow: parseNetworks("127.0.0.1"), deny: [], ports: EGRESS_PORTS_DEFAULT },
    proxy: new URL(`https://localhost:${(secureProxy.address() as AddressInfo).port}`),
  });
  try {
    const result = await egress.post({ ...REQUEST, url: "http://127.0.0.1/hook" });
    expect(asked).toEqual(["http/1.1"]);
    expect(result).toMatchObject({ outcome: "unreachable", detail: "PROXY_502" });
  } finally {
    egress.close();
    setDefaultCACertificates(trusted);
    await new Promise((resolve) => secureProxy.close(resolve));
  }
});

test.each([
  ["closes instead of an answer", "", "PROXY_CLOSED"],
  ["refuses a target with 407 and asks for no credentials", "HTTP/1.1 407 No\r\n\r\n", "PROXY_407"],
])("a proxy that %s has tried, so the attempt counts", async (_what, answer, detail) => {
  const proxy = createHttpServer().on("connect", (_request, socket) => socket.end(answer));
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const egress = createEgress({
    rules: { allow: parseNetworks("127.0.0.1"), deny: [], ports: EGRESS_PORTS_DEFAULT },
    proxy: new URL(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`),
  });
  try {
    const result = await egress.post({ ...REQUEST, url: "http://127.0.0.1/hook" });
    expect(result).toMatchObject({ outcome: "unreachable", detail });
  } finally {
    egress.close();
    await new Promise((resolve) => proxy.close(resolve));
  }
});
