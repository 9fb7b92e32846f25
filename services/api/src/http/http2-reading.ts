import type { Socket } from "node:net";
import { type Begin, createBeginnings } from "./http2-beginnings.ts";
import { READ_PER_TURN, RESUMED_PER_TURN, WRITTEN_CHECK_MS } from "./limits.ts";

/** What beginning a connection costs, in requests: Node makes a session of it. */
const BEGIN_COST = 10;
/** Header fields that cost as much as a request. */
const FIELDS_PER_REQUEST = 20;
/** Who is read for more in a turn, in requests, comes after the others until it is read for less. */
const GREEDY_ABOVE = 20;

export type Http2Reading = {
  /**
   * Begins to read a connection in one of the next turns of the event loop.
   *
   * @param begin gives the connection to its protocol, unless it has closed meanwhile
   */
  take(socket: Socket, begin: Begin): void;
  /** Notes that a request was read from a connection, with this many header fields. */
  read(socket: Socket, fields: number): void;
};

/**
 * Reads the connections over HTTP/2 in turns, so that others are served between them.
 *
 * Node reads up to 64 KiB of each connection that has something to read, one after the other in one turn of
 * the event loop, and makes thousands of requests of them if their clients want it. Here, the turn ends for
 * all connections once enough requests were read. In the next, those that ask little come first.
 *
 * To stop a connection is to take it from what the system reports to Node (`readStop` of its handle): Node's
 * session does not notice. There is no public way: `pause` of a socket that has a session does nothing.
 *
 * Node's session stops reading by itself while its client does not take what it writes. Made to read all the
 * same, it keeps everything in one buffer, which it copies with each read. So a connection that has something
 * to write is read again once that is written.
 */
export function createHttp2Reading(): Http2Reading {
  /** Those that have begun, and are read as their bytes arrive. */
  const running = new Set<Socket>();
  /** Those of them that were read in this turn, and for how much. */
  const read = new Map<Socket, number>();
  const greedy = new WeakSet<Socket>();
  /** Those that have begun and wait for a turn, the one that has waited longest first. */
  const stopped = new Set<Socket>();
  const beginnings = createBeginnings();
  const unwritten = createUnwritten((socket) => {
    stopped.add(socket);
    schedule();
  });
  let left = READ_PER_TURN;
  let isScheduled = false;
  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(next);
  };
  const stopAll = () => {
    for (const [socket, cost] of read) {
      if (cost > GREEDY_ABOVE) greedy.add(socket);
      else greedy.delete(socket);
    }
    const rankOf = (socket: Socket) => (greedy.has(socket) ? 2 : 0) + (read.has(socket) ? 1 : 0);
    const ranks: Socket[][] = [[], [], [], []];
    for (const socket of running) ranks[rankOf(socket)]?.push(socket);
    running.clear();
    for (const socket of ranks.flat()) {
      handleOf(socket)?.readStop();
      stopped.add(socket);
    }
  };
  const resume = (socket: Socket) => {
    stopped.delete(socket);
    if (isUnwritten(socket)) return unwritten.add(socket);
    running.add(socket);
    handleOf(socket)?.readStart();
  };
  const next = () => {
    isScheduled = false;
    read.clear();
    left = READ_PER_TURN;
    beginnings.beginSome(() => left > 0);
    // A crowd of new connections leaves the others theirs.
    left = READ_PER_TURN;
    for (const socket of first(stopped, RESUMED_PER_TURN)) resume(socket);
    if (beginnings.size() + stopped.size > 0) schedule();
  };
  return {
    take(socket, begin) {
      beginnings.add(socket, (frames) => {
        left -= BEGIN_COST;
        running.add(socket);
        begin(frames);
      });
      socket.once("close", () => {
        for (const all of [running, read, stopped]) all.delete(socket);
        for (const all of [beginnings, unwritten]) all.remove(socket);
      });
      schedule();
    },
    read(socket, fields) {
      if (!running.has(socket)) {
        // Node reads again once it has written.
        handleOf(socket)?.readStop();
        return;
      }
      const cost = 1 + fields / FIELDS_PER_REQUEST;
      read.set(socket, (read.get(socket) ?? 0) + cost);
      left -= cost;
      schedule();
      if (left <= 0) stopAll();
    },
  };
}

/** Waits until connections have nothing to write. @param written called then for each */
function createUnwritten(written: (socket: Socket) => void) {
  const waiting = new Set<Socket>();
  let isScheduled = false;
  const schedule = () => {
    if (isScheduled || waiting.size === 0) return;
    isScheduled = true;
    setTimeout(look, WRITTEN_CHECK_MS).unref();
  };
  const look = () => {
    isScheduled = false;
    for (const socket of waiting) {
      if (isUnwritten(socket)) continue;
      waiting.delete(socket);
      written(socket);
    }
    schedule();
  };
  return {
    add(socket: Socket): void {
      waiting.add(socket);
      schedule();
    },
    remove: (socket: Socket) => void waiting.delete(socket),
  };
}

function isUnwritten(socket: Socket): boolean {
  return (handleOf(socket)?.writeQueueSize ?? 0) > 0;
}

/** What Node reads a socket with. */
type Handle = {
  readStart(): number;
  readStop(): number;
  /** Bytes that the system has not taken yet. */
  readonly writeQueueSize: number;
};

/** Returns nothing if the socket has closed. */
function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as { _handle?: Handle | null })._handle;
}

function* first<T>(all: Iterable<T>, max: number): Generator<T> {
  let left = max;
  for (const one of all) {
    if (left === 0) return;
    left -= 1;
    yield one;
  }
}
