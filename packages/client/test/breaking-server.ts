import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { SubscriptionService } from "@posthaste/contracts/subscription";

/** A real server whose connections a test can break. */
export type BreakingServer = {
  readonly url: string;
  /** The calls received: the idempotency key of an ingest, or the name of another RPC. */
  readonly calls: string[];
  /** Returns how many connections were opened. */
  connections(): number;
  /**
   * Breaks every connection: `reset` as if the server's process was killed, `end` as if it exited, `silence`
   * as if a cable was pulled.
   */
  break(how: "reset" | "end" | "silence"): void;
  close(): Promise<void>;
};

/**
 * Starts the server behind a proxy that breaks connections.
 *
 * @param behave runs in every call before the response; calls are numbered from 1
 * @param connected runs for each new connection, numbered from 1; if it returns true, nothing is forwarded
 */
export async function startBreakingServer(
  protocol: "connect" | "grpc",
  behave: (number: number, server: BreakingServer) => unknown = () => {},
  connected: (socket: Socket, number: number) => boolean = () => false,
): Promise<BreakingServer> {
  const calls: string[] = [];
  const handler = connectNodeAdapter({
    routes(router) {
      router.rpc(EventIngestService.method.ingestEvent, async (request) => {
        await behave(calls.push(request.idempotencyKey), server);
        return { eventId: "evt_1", deliveryCount: 1 };
      });
      router.rpc(SubscriptionService.method.createSubscription, async () => {
        await behave(calls.push("CreateSubscription"), server);
        return {};
      });
    },
  });
  const http = protocol === "connect" ? createHttpServer(handler) : createHttp2Server(handler);
  const httpPort = await listen(http);
  let connections = 0;
  const near = new Set<Socket>();
  const far = new Set<Socket>();
  const front = createServer((socket) => {
    connections += 1;
    track(socket, near);
    if (connected(socket, connections)) return;
    const upstream = track(connect(httpPort, "127.0.0.1"), far);
    socket.pipe(upstream).pipe(socket);
  });
  const url = `http://127.0.0.1:${await listen(front)}`;
  const server: BreakingServer = {
    url,
    calls,
    connections: () => connections,
    break(how) {
      for (const socket of near) {
        if (how === "reset") socket.resetAndDestroy();
        else if (how === "end") socket.destroy();
        else socket.unpipe();
      }
      if (how === "silence") for (const socket of far) socket.unpipe();
    },
    async close() {
      const closed = [front, http].map((listener) => new Promise((resolve) => listener.close(resolve)));
      for (const socket of [...near, ...far]) socket.destroy();
      await Promise.all(closed);
    },
  };
  return server;
}

/** Adds a socket to a set until it closes, and ignores its errors: tests break sockets on purpose. */
function track(socket: Socket, sockets: Set<Socket>): Socket {
  sockets.add(socket);
  socket.on("error", () => {});
  return socket.once("close", () => sockets.delete(socket));
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return address.port;
}
