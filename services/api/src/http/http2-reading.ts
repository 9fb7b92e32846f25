import type { Socket } from "node:net";
import { READ_PER_TURN, RESUMED_PER_TURN } from "./limits.ts";

/** What beginning a connection costs, in requests: Node makes a session of it. */
const BEGIN_COST = 10;
/** Clients that have sent no more begin before the others: their preface, SETTINGS and some requests. */
const LIGHT_BYTES_MAX = 4_096;
/** Header fields that cost as much as a request. */
const FIELDS_PER_REQUEST = 20;

export type Http2Reading = {
  /**
   * Begins to read a connection in one of the next turns of the event loop.
   *
   * @param begin gives the connection to its protocol, unless it has closed meanwhile
   */
  take(socket: Socket, begin: () => void): void;
  /** Notes that a request was read from a connection, with this many header fields. */
  read(socket: Socket, fields: number): void;
};

/**
 * Reads the connections over HTTP/2 in turns, so that others are served between them.
 *
 * Node reads up to 64 KiB of each connection that has something to read, one after the other in one turn of
 * the event loop, and makes thousands of requests of them if their clients want it. Here, the turn ends for
 * all connections once enough requests were read; those that could not be read then come first in the next.
 *
 * To stop a connection is to take it from what the system reports to Node (`readStop` of its handle): Node's
 * session does not notice. There is no public way: `pause` of a socket that has a session does nothing.
 */
export function createHttp2Reading(): Http2Reading {
  /** Those that have begun, and are read as their bytes arrive. */
  const running = new Set<Socket>();
  /** Those of them that were read in this turn. */
  const read = new Set<Socket>();
  /** Those that have begun and wait for a turn, the one that has waited longest first. */
  const stopped = new Set<Socket>();
  /** Those that are still to begin: with a few requests, and with many. */
  const [light, heavy] = [new Map<Socket, () => void>(), new Map<Socket, () => void>()];
  let left = READ_PER_TURN;
  let isScheduled = false;
  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(next);
  };
  const stopAll = () => {
    for (const socket of read) running.delete(socket);
    // Those that nobody has read come first.
    for (const socket of [...running, ...read]) {
      handleOf(socket)?.readStop();
      stopped.add(socket);
    }
    running.clear();
  };
  const begin = (socket: Socket, begins: () => void) => {
    socket.off("error", ignore);
    left -= BEGIN_COST;
    running.add(socket);
    begins();
  };
  const beginSome = () => {
    for (const [socket, begins] of light) {
      light.delete(socket);
      // More has arrived while it waited.
      if (isHeavy(socket)) heavy.set(socket, begins);
      else begin(socket, begins);
      if (left <= 0) break;
    }
    for (const [socket, begins] of first(heavy, 1)) {
      heavy.delete(socket);
      begin(socket, begins);
    }
  };
  const resume = (socket: Socket) => {
    stopped.delete(socket);
    running.add(socket);
    handleOf(socket)?.readStart();
  };
  const next = () => {
    isScheduled = false;
    read.clear();
    left = READ_PER_TURN;
    beginSome();
    // A crowd of new connections leaves the others theirs.
    left = READ_PER_TURN;
    for (const socket of first(stopped, RESUMED_PER_TURN)) resume(socket);
    if (light.size + heavy.size + stopped.size > 0) schedule();
  };
  return {
    take(socket, begins) {
      (isHeavy(socket) ? heavy : light).set(socket, begins);
      // Its `close` follows. Nobody else listens yet.
      socket.on("error", ignore);
      socket.once("close", () => {
        for (const all of [running, read, stopped, light, heavy]) all.delete(socket);
      });
      schedule();
    },
    read(socket, fields) {
      if (!running.has(socket)) return;
      read.add(socket);
      left -= 1 + fields / FIELDS_PER_REQUEST;
      schedule();
      if (left <= 0) stopAll();
    },
  };
}

function ignore(): void {}

function isHeavy({ readableLength }: Socket): boolean {
  return readableLength > LIGHT_BYTES_MAX;
}

/** What Node reads a socket with, unless it has closed. */
function handleOf(socket: Socket): { readStart(): number; readStop(): number } | null | undefined {
  return (socket as { _handle?: ReturnType<typeof handleOf> })._handle;
}

function* first<T>(all: Iterable<T>, max: number): Generator<T> {
  let left = max;
  for (const one of all) {
    if (left === 0) return;
    left -= 1;
    yield one;
  }
}
