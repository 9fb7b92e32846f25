import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { closeIdle } from "./body-rest.ts";
import { STRANGERS_MAX } from "./limits.ts";

/** Places of the open connections. */
export type ConnectionPlaces = {
  /**
   * Takes a place until the connection closes. If none is free, closes the one that has been idle longest.
   *
   * @returns false if every other connection has a request in flight; this one is then closed
   */
  take(socket: Socket): boolean;
  /**
   * Counts a connection over HTTP/2 among those on which no known caller has asked. If there are too many,
   * closes the one whose last request is oldest, one without a request in flight if there is any.
   */
  addStranger(socket: Socket): void;
  /**
   * Notes that a caller has asked on it who is not known yet.
   *
   * @param isKnown tells whether the caller has become known since
   */
  ask(socket: Socket, isKnown: () => boolean): void;
  /** Notes that a known caller has asked on it. */
  know(socket: Socket): void;
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
 * @param closed called for each that is closed: an idle one to make room, or the next because all are busy;
 *   of strangers the oldest
 */
export function createConnectionPlaces(
  max: number,
  closed: (why: "idle" | "full") => void,
): ConnectionPlaces {
  /** The requests in flight of each open connection. */
  const inFlight = new Map<Socket, number>();
  /** The connections without any, the one that has been idle longest first. */
  const idle = new Set<Socket>();
  /** Those over HTTP/2 on which no known caller has asked, the one whose last request is oldest first. */
  const strangers = new Set<Socket>();
  /** Tells of a stranger whether its caller has become known since it asked. */
  const askers = new WeakMap<Socket, () => boolean>();
  const leave = (socket: Socket) => {
    inFlight.delete(socket);
    idle.delete(socket);
    strangers.delete(socket);
  };
  const makeRoom = (socket: Socket) => {
    const isIdle = idle.has(socket);
    if (isIdle) closeIdle(socket);
    else socket.destroy();
    closed(isIdle ? "idle" : "full");
    // Its `close` is still to come.
    leave(socket);
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
        makeRoom(longest ?? socket);
        if (longest === undefined) return false;
      }
      inFlight.set(socket, 0);
      idle.add(socket);
      socket.once("close", () => leave(socket));
      return true;
    },
    addStranger(socket) {
      if (strangers.size >= STRANGERS_MAX) {
        for (const one of strangers) if (askers.get(one)?.() === true) strangers.delete(one);
      }
      if (strangers.size >= STRANGERS_MAX) {
        // None keeps newcomers out, who may be known callers.
        const [oldest = socket] = strangers;
        makeRoom([...strangers].find((one) => idle.has(one)) ?? oldest);
      }
      // It may have left while its first bytes were read.
      if (inFlight.has(socket)) strangers.add(socket);
    },
    ask: (socket, isKnown) => void askers.set(socket, isKnown),
    know: (socket) => void strangers.delete(socket),
    touch(socket) {
      for (const order of [idle, strangers]) if (order.delete(socket)) order.add(socket);
    },
    hold(socket, exchange) {
      count(socket, 1);
      exchange.once("close", () => count(socket, -1));
    },
  };
}
