import type { Server } from "node:http";
import type { Socket } from "node:net";

/**
 * Open connections of a server for internal callers: a scraper and an orchestrator have one each, and each
 * API a few for its nudges. Each takes a file descriptor.
 */
const CONNECTIONS_MAX = 256;

/**
 * Requests of one connection in flight; one with more is closed. Scrapers and supervisors send the next once
 * they have the answer. Answers that nobody reads stay in memory.
 */
const IN_FLIGHT_MAX = 2;
/** How long a connection may take nothing of its answer. */
const SILENCE_MS = 5_000;

/**
 * Bounds the connections of a server whose requests take milliseconds. One more closes the oldest without a
 * request in flight, or else the oldest, so nobody keeps probes and scrapes out by holding connections, or
 * cuts them off by opening some; Node's `maxConnections` would close the newest.
 */
export function boundConnections(server: Server): void {
  server.timeout = SILENCE_MS;
  /** The requests in flight of each connection; the oldest first. */
  const open = new Map<Socket, number>();
  const count = (socket: Socket, by: 1 | -1) => {
    const inFlight = open.get(socket);
    if (inFlight !== undefined) open.set(socket, inFlight + by);
  };
  server.on("connection", (socket) => {
    if (open.size >= CONNECTIONS_MAX) {
      const [oldest] = [...open].find(([, inFlight]) => inFlight === 0) ?? [...open.keys()];
      oldest?.destroy();
      // Its `close` is still to come.
      if (oldest !== undefined) open.delete(oldest);
    }
    open.set(socket, 0);
    socket.once("close", () => open.delete(socket));
  });
  server.prependListener("request", ({ socket }, response) => {
    count(socket, 1);
    response.once("close", () => count(socket, -1));
    if ((open.get(socket) ?? 0) > IN_FLIGHT_MAX) socket.destroy();
  });
}
