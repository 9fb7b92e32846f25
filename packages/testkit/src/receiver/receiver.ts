import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Server, Socket } from "node:net";
import { quietPort } from "../ports.ts";
import { type Behaviour, play } from "./behaviour.ts";

/** One request as it came in. */
export type ReceivedRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly receivedAt: number;
};

/** What to do with the n-th request (1 for the first). */
export type Answer = Behaviour | ((request: ReceivedRequest, n: number) => Behaviour | Promise<Behaviour>);

/** A real HTTP server on loopback that misbehaves on demand. It answers 200 until told otherwise. */
export type Receiver = {
  readonly url: string;
  readonly port: number;
  /** Every request so far. */
  readonly requests: readonly ReceivedRequest[];
  answer(answer: Answer): void;
  /** Connections that are open now. */
  open(): number;
  /** Bytes that clients took in all. */
  sentBytes(): number;
  /** Resolves with the first `count` requests, as soon as they are there. */
  waitFor(count: number, options: { timeoutMs: number }): Promise<readonly ReceivedRequest[]>;
  stop(): Promise<void>;
};

export type ReceiverOptions = {
  /** PEM; makes it an HTTPS server. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Default: a free one. */
  readonly port?: number;
};

export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const waiters = new Set<() => void>();
  const sockets = new Set<Socket>();
  let current: Answer = { kind: "status", status: 200 };

  const onRequest = async (incoming: IncomingMessage) => {
    const request = await read(incoming);
    requests.push(request);
    const n = requests.length;
    for (const waiter of waiters) waiter();
    const behaviour = typeof current === "function" ? await current(request, n) : current;
    if (!incoming.socket.destroyed) play(behaviour, incoming.socket);
  };
  // The response object is never used: behaviours write to the socket, so they can break the rules. So a connection
  // serves one request.
  const listener = (incoming: IncomingMessage) =>
    void onRequest(incoming).catch(() => {
      // A request that was cut off has nobody to be answered.
      incoming.socket.destroy();
    });
  const server =
    options.tls === undefined ? createHttpServer(listener) : createHttpsServer(options.tls, listener);
  let sentBytes = 0;
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      sockets.delete(socket);
      sentBytes += socket.bytesWritten - socket.writableLength;
    });
  };
  server.on("connection", track);
  server.on("tlsClientError", () => {});
  const port = await listen(server, options.port ?? 0);

  return {
    url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}/hook`,
    port,
    requests,
    answer(answer) {
      current = answer;
    },
    open: () => sockets.size,
    sentBytes: () => sentBytes,
    async waitFor(count, { timeoutMs }) {
      await new Promise<void>((resolve, reject) => {
        const check = () => {
          if (requests.length < count) return;
          clearTimeout(timer);
          waiters.delete(check);
          resolve();
        };
        const timer = setTimeout(() => {
          waiters.delete(check);
          reject(new Error(`${requests.length} of ${count} requests came within ${timeoutMs} ms`));
        }, timeoutMs);
        waiters.add(check);
        check();
      });
      return requests.slice(0, count);
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A URL whose port nobody listens on: connections to it are refused. */
export async function refusedUrl(): Promise<string> {
  return `http://127.0.0.1:${await quietPort()}/hook`;
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the receiver has no port");
  return address.port;
}

async function read(incoming: IncomingMessage): Promise<ReceivedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const headers = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]);
  return {
    method: incoming.method ?? "",
    path: incoming.url ?? "",
    headers: Object.fromEntries(headers),
    body: Buffer.concat(chunks),
    receivedAt: Date.now(),
  };
}
