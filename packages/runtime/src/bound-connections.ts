import type { Server } from "node:http";
import type { Socket } from "node:net";

/**
 * Open connections of a server for internal callers: a scraper and an orchestrator have one each, and each
 * API a few for its nudges. Each takes a file descriptor.
 */
const CONNECTIONS_MAX = 256;

/**
 * Bounds the connections of a server whose requests take milliseconds. One more closes the oldest, so nobody
 * keeps probes and scrapes out by holding connections; Node's `maxConnections` would close the newest.
 */
export function boundConnections(server: Server): void {
  /** The oldest first. */
  const open = new Set<Socket>();
  server.on("connection", (socket) => {
    const [oldest] = open;
    if (open.size >= CONNECTIONS_MAX && oldest !== undefined) {
      oldest.destroy();
      // Its `close` is still to come.
      open.delete(oldest);
    }
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
}
