import type { Socket } from "node:net";
import { framesIn } from "./first-frames.ts";

/** Clients that have sent no more frames begin before the others: SETTINGS and some requests. */
const LIGHT_FRAMES_MAX = 20;

/** @param frames how many the client has sent; see {@link framesIn} */
export type Begin = (frames: number) => void;

/** Connections over HTTP/2 that wait to begin. */
export type Beginnings = {
  /** @param begin gives the connection to its protocol */
  add(socket: Socket, begin: Begin): void;
  remove(socket: Socket): void;
  size(): number;
  /** Begins those that have sent little, as long as they may, and one of those that have sent much. */
  beginSome(mayGoOn: () => boolean): void;
};

/** Creates a queue in which a client that sends a few requests does not wait for those that send hundreds. */
export function createBeginnings(): Beginnings {
  const [light, heavy] = [new Map<Socket, Begin>(), new Map<Socket, Begin>()];
  const isLight = (frames: number) => frames <= LIGHT_FRAMES_MAX;
  const beginOne = (socket: Socket, begin: Begin, frames: number) => {
    socket.off("error", ignore);
    // Its `close` is still to come.
    if (socket.destroyed) return;
    // A client that ends its half has left, and nobody waits for what it asked.
    if (hasEnded(socket)) socket.destroy();
    else begin(frames);
  };
  return {
    add(socket, begin) {
      const queue = isLight(framesIn(peek(socket))) ? light : heavy;
      queue.set(socket, begin);
      // Its `close` follows. Nobody else listens yet.
      socket.on("error", ignore);
    },
    remove(socket) {
      for (const queue of [light, heavy]) queue.delete(socket);
    },
    size: () => light.size + heavy.size,
    beginSome(mayGoOn) {
      for (const [socket, begin] of light) {
        if (!mayGoOn()) break;
        light.delete(socket);
        const frames = framesIn(peek(socket));
        if (isLight(frames)) beginOne(socket, begin, frames);
        // More has arrived while it waited.
        else heavy.set(socket, begin);
      }
      const [first] = heavy;
      if (first === undefined) return;
      const [socket, begin] = first;
      heavy.delete(socket);
      beginOne(socket, begin, framesIn(peek(socket)));
    },
  };
}

function ignore(): void {}

/** Node has no public way to tell before all that has arrived is read. */
function hasEnded(socket: Socket): boolean {
  return (socket as { _readableState?: { ended?: boolean } })._readableState?.ended === true;
}

/** Returns what has arrived on a connection that is not read yet, and leaves it there. */
function peek(socket: Socket): Buffer {
  const chunks: Buffer[] = [];
  // Since Node 26, one read returns one chunk.
  for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (bytes.length > 0) socket.unshift(bytes);
  return bytes;
}
