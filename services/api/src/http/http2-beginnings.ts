import type { Socket } from "node:net";
import { framesIn } from "./first-frames.ts";

/** Clients that have sent no more frames begin before the others: SETTINGS and some requests. */
const LIGHT_FRAMES_MAX = 20;

type Begin = () => void;

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
  const queueOf = (socket: Socket) => (framesIn(peek(socket)) > LIGHT_FRAMES_MAX ? heavy : light);
  const beginFirst = (queue: Map<Socket, Begin>) => {
    const [first] = queue;
    if (first === undefined) return;
    const [socket, begin] = first;
    queue.delete(socket);
    socket.off("error", ignore);
    // Its `close` is still to come.
    if (socket.destroyed) return;
    // A client that ends its half has left, and nobody waits for what it asked.
    if (hasEnded(socket)) socket.destroy();
    else begin();
  };
  return {
    add(socket, begin) {
      queueOf(socket).set(socket, begin);
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
        if (queueOf(socket) === light) beginFirst(light);
        else {
          // More has arrived while it waited.
          light.delete(socket);
          heavy.set(socket, begin);
        }
      }
      beginFirst(heavy);
    },
  };
}

function ignore(): void {}

/** Node has no public way to tell before all that has arrived is read. */
function hasEnded(socket: Socket): boolean {
  return (socket as { _readableState?: { ended?: boolean } })._readableState?.ended === true;
}

/** Returns what has arrived on a connection that is not read yet, and leaves it there. */
export function peek(socket: Socket): Buffer {
  const chunks: Buffer[] = [];
  // Since Node 26, one read returns one chunk.
  for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (bytes.length > 0) socket.unshift(bytes);
  return bytes;
}
