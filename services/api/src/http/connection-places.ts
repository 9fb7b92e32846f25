import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { closeIdle } from "./body-rest.ts";

/** Places of the open connections. */
export type ConnectionPlaces = {
  /**
   * Takes a place until the connection closes. If none is free, closes the one that has been idle longest.
   *
   * @returns false if every other connection has a request in flight; this one is then closed
   */
  take(socket: Socket): boolean;
  /** Notes that a request has arrived: its connection is the last of the idle ones that makes room. */
  touch(socket: Socket): void;
  /** Counts a request as in flight on its connection until it emits `close`, which must be still to come. */
  hold(socket: Socket, exchange: EventEmitter): void;
};

/**
 * Creates places that nobody can keep others out of by holding connections: one that has no request in flight
 * makes room for the next. Nor does a request that waits to be handed over hold its connection: only those
 * that are handed over have bounds of their own.
 *
 * Node's `maxConnections` would close the next before anything could make room for it.
 *
 * @param closed called for each that is closed: an idle one to make room, or the next because all are busy
 */
export function createConnectionPlaces(
  max: number,
  closed: (why: "idle" | "full") => void,
): ConnectionPlaces {
  /** The requests in flight of each open connection. */
  const inFlight = new Map<Socket, number>();
  /** The connections without any, the one that has been idle longest first. */
  const idle = new Set<Socket>();
  const leave = (socket: Socket) => {
    inFlight.delete(socket);
    idle.delete(socket);
  };
  const count = (socket: Socket, by: 1 | -1) => {
    const before = inFlight.get(socket);
    // It has left.
    if (before === undefined) return;
    inFlight.set(socket, before + by);
    if (before + by === 0) idle.add(socket);
    else idle.delete(socket);
  };
  return {
    take(socket) {
      if (inFlight.size >= max) {
        const [longest] = idle;
        if (longest === undefined) {
          socket.destroy();
          closed("full");
          return false;
        }
        closeIdle(longest);
        closed("idle");
        // Its `close` is still to come.
        leave(longest);
      }
      inFlight.set(socket, 0);
      idle.add(socket);
      socket.once("close", () => leave(socket));
      return true;
    },
    touch(socket) {
      if (idle.delete(socket)) idle.add(socket);
    },
    hold(socket, exchange) {
      count(socket, 1);
      exchange.once("close", () => count(socket, -1));
    },
  };
}
