import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { DROPPED_BYTES_MAX, HALF_CLOSED_MS } from "./limits.ts";

/*
 * What becomes of the rest of a body over HTTP/1.1 whose request is answered before its end, such as one over
 * its limit. The next request comes after it, so it is read and dropped.
 */

/** The connections of which the rest of a body is being dropped. */
const dropping = new WeakSet<Socket>();

/** The requests whose rest is dropped, or was. */
const dropped = new WeakSet<IncomingMessage>();

/**
 * Lets a request be read further after its reader has stopped. By default, a loop that ends destroys it.
 * Whoever still reads when its rest is dropped gets an error: what it has is not the whole body.
 */
export function keepRest(request: IncomingMessage): void {
  request[Symbol.asyncIterator] = async function* (): AsyncGenerator<Buffer, undefined> {
    yield* request.iterator({ destroyOnReturn: false });
    if (dropped.has(request)) throw new Error("the request was answered before its body had arrived");
  };
}

/**
 * Drops the rest of an answered request's body, and ends its connection if that is longer than any body that
 * is accepted. How long it may take is bounded by the request's own time.
 */
export function dropRest(request: IncomingMessage, socket: Socket): void {
  let droppedBytes = 0;
  const drop = (piece: Buffer) => {
    droppedBytes += piece.length;
    if (droppedBytes <= DROPPED_BYTES_MAX) return;
    request.off("data", drop).pause();
    endConnection(socket);
  };
  dropped.add(request);
  // Of those who read it until now. An end would tell them that they have all of it.
  for (const event of ["readable", "data", "end"]) request.removeAllListeners(event);
  dropping.add(socket);
  request.once("close", () => dropping.delete(socket));
  // Node drops a body itself that was never read.
  request.read(0);
  request.on("data", drop).resume();
}

/** Whether the answer to a request has to say that its connection closes: its body is always refused. */
export function isTooLong({ headers }: IncomingMessage): boolean {
  return Number(headers["content-length"] ?? 0) > DROPPED_BYTES_MAX;
}

/**
 * Drops everything else that arrives. What seems to be a request behind one that asked for an upgrade may be
 * the middle of one, such as a body whose head was dropped. Parsed, any number of them would be kept.
 */
export function dropUnparsed(socket: Socket): void {
  // Node's parser is the only one that listens.
  socket.removeAllListeners("data").on("data", () => {});
}

/** Closes a connection without a request in flight. A client that still sends may lack its answer. */
export function closeIdle(socket: Socket): void {
  if (dropping.has(socket) || socket.writableEnded) endConnection(socket);
  else socket.destroy();
}

/**
 * Ends a connection after its last answer. Node would destroy it: a client that still sends got a reset, and
 * perhaps not its answer.
 */
export function endConnection(socket: Socket): void {
  socket.end();
  // A client that still sends has this long to read its answer.
  setTimeout(() => socket.destroy(), HALF_CLOSED_MS).unref();
}
