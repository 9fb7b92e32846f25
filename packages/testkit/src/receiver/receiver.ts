import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Server, Socket } from "node:net";
import { quietPort } from "../ports.ts";
import { type Behaviour, play } from "./behaviour.ts";

/** A request as received. `receivedAt` is in epoch milliseconds. */
export type ReceivedRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly receivedAt: number;
};

/** The behaviour for every request, or a function that chooses it; `n` is 1 for the first request. */
export type Answer = Behaviour | ((request: ReceivedRequest, n: number) => Behaviour | Promise<Behaviour>);

/** A real HTTP server on loopback that misbehaves on demand. By default it responds with 200. */
export type Receiver = {
  readonly url: string;
  readonly port: number;
  /** Every request so far. */
  readonly requests: readonly ReceivedRequest[];
  /** Sets the behaviour for the following requests. */
  answer(answer: Answer): void;
  /** Returns the number of open connections. */
  open(): number;
  /** Returns the bytes sent on all closed connections. */
  sentBytes(): number;
  /** Resolves with the first `count` requests as soon as they have arrived; rejects after `timeoutMs`. */
  waitFor(count: number, options: { timeoutMs: number }): Promise<readonly ReceivedRequest[]>;
  stop(): Promise<void>;
};

export type ReceiverOptions = {
  /** A key and certificate as PEM, for an HTTPS server. Default: HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Default: a free port. */
  readonly port?: number;
};

/** Starts a receiver on 127.0.0.1. */
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
    const { socket } = incoming;
    const tcp = () => [...sockets].find(({ remotePort }) => remotePort === socket.remotePort);
    if (!socket.destroyed) play(behaviour, socket, tcp);
  };
  // Behaviours write to the socket instead of the response object, so that they can violate HTTP. A
  // connection therefore serves one request.
  const listener = (incoming: IncomingMessage) =>
    void onRequest(incoming).catch(() => {
      // The request was cut off, so there is no one to respond to.
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
          reject(new Error(`${requests.length} of ${count} requests arrived within ${timeoutMs} ms`));
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

/** Returns a URL with a port on which no process listens, so connections are refused. */
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
