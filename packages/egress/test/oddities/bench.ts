import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { createServer as createTlsServer } from "node:tls";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { type Certificate, startConnectProxy } from "@posthaste/testkit";
import { createEgress, type PostResult } from "../../src/egress.ts";
import { type Bench, HOST, type PostOptions, type ReceiverCase, SHORT_MS, type Site } from "./oddity.ts";

/** For attempts that do not time out, however busy the machine is. */
const LONG_MS = 60_000;
const BODY = "[{}]";
export const LOOPBACK = [{ address: "127.0.0.1", family: 4 }];

/** How an answer is sent. */
export type Pace = "at once" | "byte by byte";

/** Creates what a row is tried with. Its connections are kept from one attempt to the next. */
export function createBench(certificate: Certificate, pace: Pace): Bench & { stop(): Promise<void> } {
  const stops: (() => unknown)[] = [];
  const egresses = new Map<string, ReturnType<typeof createEgress>>();
  return {
    certificate,
    later: (stop) => stops.push(stop),
    receive: async (options) => {
      const site = await receive(options, certificate, pace);
      stops.push(site.stop);
      return site;
    },
    proxy: async () => {
      const proxy = await startConnectProxy();
      stops.push(proxy.stop);
      return proxy;
    },
    async post({ url, addresses, lookup, rules, proxy, acceptance = "OK_ONLY", ...options }) {
      const { ca = certificate.cert, timeoutMs = LONG_MS } = options;
      const key = JSON.stringify([addresses, rules, proxy, ca]);
      const egress =
        egresses.get(key) ??
        createEgress({
          rules: { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT, ...rules },
          lookup: async (name) => lookup?.(name) ?? addresses?.map(withFamily) ?? LOOPBACK,
          ca,
          proxy,
        });
      egresses.set(key, egress);
      const body = Buffer.from(BODY);
      return await egress.post({ url, headers: {}, body, acceptance, accountId: 1 as AccountId, timeoutMs });
    },
    async stop() {
      for (const { close } of egresses.values()) close();
      for (const stop of stops.reverse()) await stop();
    },
  };
}

/** Sends a delivery to a row's receiver, and another one to see whether the connection was kept. */
export async function deliver(bench: Bench, { tls, path = "/", ...options }: ReceiverCase, hangs: boolean) {
  const site = await bench.receive({ ...options, ...(tls === undefined ? {} : { tls }) });
  const url = `${tls === undefined ? "http" : "https"}://${HOST}:${site.port}${path}`;
  const request: PostOptions = {
    url,
    ...(options.acceptance === undefined ? {} : { acceptance: options.acceptance }),
    ...(hangs ? { timeoutMs: SHORT_MS } : {}),
  };
  const first = await bench.post(request);
  const requests = site.requests.length;
  // TLS may say a turn of the event loop late that the request has been written, so that it can be kept.
  await setImmediate();
  const second = hangs ? undefined : await bench.post(request);
  const isReused = site.connections[requests] === site.connections[requests - 1];
  return { ...seenOf(first), requests, isReused, again: second?.outcome ?? first.outcome };
}

export function seenOf({ outcome, status, detail, responseTruncated, ...result }: PostResult) {
  return {
    outcome,
    status,
    detail,
    body: Buffer.from(result.responseBody).toString("latin1"),
    headers: result.responseHeaders,
    isTruncated: responseTruncated,
  };
}

async function receive(
  { answer = "", closes, tls, isWhole, ...at }: Parameters<Bench["receive"]>[0],
  certificate: Certificate,
  pace: Pace,
): Promise<Site & { stop(): void }> {
  const requests: string[] = [];
  const connections: number[] = [];
  const sockets = new Set<Socket>();
  let connected = 0;
  const send = async (socket: Socket, text: string) => {
    const pieces = pace === "at once" || isWhole ? [text] : text;
    for (const piece of pieces) {
      socket.write(piece, "latin1");
      if (pieces.length > 1) await setImmediate();
    }
    if (closes) socket.end();
  };
  const serve = (socket: Socket) => {
    const connection = ++connected;
    let text = "";
    let ofConnection = 0;
    socket.setNoDelay().on("error", () => {});
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (!text.endsWith(BODY)) return;
      const request = { socket, text, nth: requests.push(text), ofConnection: ++ofConnection };
      text = "";
      connections.push(connection);
      if (typeof answer === "string") void send(socket, answer);
      else answer(request);
    });
  };
  const server =
    tls === undefined
      ? createServer(serve)
      : createTlsServer({ ...certificate, ...(typeof tls === "function" ? tls(certificate) : tls) }, serve);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).once("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", () => {});
  await once(server.listen(at.port ?? 0, at.host ?? "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    connections,
    open: () => sockets.size,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function withFamily(address: string) {
  return { address, family: address.includes(":") ? 6 : 4 };
}
