import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { SubscriptionService } from "@posthaste/contracts/subscription";

/** A real server, and connections to it that a test breaks. */
export type BreakingServer = {
  readonly url: string;
  /** What arrived: an ingest's idempotency key, or the name of another RPC. */
  readonly calls: string[];
  /** How many connections were made. */
  connections(): number;
  /**
   * Breaks every connection: `reset` as when the server's process is killed, `end` as when it exits, `silence` as when
   * a cable is pulled.
   */
  break(how: "reset" | "end" | "silence"): void;
  close(): Promise<void>;
};

/**
 * @param behave runs in every call, numbered from 1, before it is answered
 * @param connected runs with each new connection, numbered from 1; true: it goes no further
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
    kept(socket, near);
    if (connected(socket, connections)) return;
    const upstream = kept(connect(httpPort, "127.0.0.1"), far);
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
      const closed = [front, http].map((one) => new Promise((resolve) => one.close(resolve)));
      for (const socket of [...near, ...far]) socket.destroy();
      await Promise.all(closed);
    },
  };
  return server;
}

function kept(socket: Socket, among: Set<Socket>): Socket {
  among.add(socket);
  // Breaking is what they are for.
  socket.on("error", () => {});
  return socket.once("close", () => among.delete(socket));
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return address.port;
}
