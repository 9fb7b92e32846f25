import type { Socket } from "node:net";
import { FIRST_FRAMES_MAX } from "./limits.ts";

/** What a client sends before its first frame (RFC 9113, section 3.4). */
const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;
const TYPE_AT = 3;
const [DATA, WINDOW_UPDATE] = [0, 8];

export type Http2Starts = {
  /** Begins to read frames of a connection, in one of the next turns of the event loop. */
  take(socket: Socket, begin: () => void): void;
};

/**
 * Begins to read from new connections over HTTP/2, of one in each turn of the event loop: Node reads all that
 * has arrived on each at once, which may be hundreds of requests.
 */
export function createHttp2Starts(): Http2Starts {
  const waiting = new Map<Socket, () => void>();
  let isScheduled = false;
  const schedule = () => {
    if (isScheduled || waiting.size === 0) return;
    isScheduled = true;
    setImmediate(next);
  };
  const next = () => {
    isScheduled = false;
    const [first] = waiting;
    if (first !== undefined) {
      const [socket, begin] = first;
      waiting.delete(socket);
      socket.off("error", ignore);
      begin();
    }
    schedule();
  };
  return {
    take(socket, begin) {
      waiting.set(socket, begin);
      // Its `close` follows. Nobody else listens yet.
      socket.on("error", ignore);
      socket.once("close", () => waiting.delete(socket));
      schedule();
    },
  };
}

function ignore(): void {}

/**
 * Tells whether what a client sends first holds more frames than any client needs that has not heard yet how
 * many streams it may have. DATA and WINDOW_UPDATE do not count.
 */
export function isStorm(bytes: Buffer): boolean {
  let frames = 0;
  for (let at = PREFACE_BYTES; at + HEAD_BYTES <= bytes.length; at += HEAD_BYTES + bytes.readUIntBE(at, 3)) {
    const type = bytes[at + TYPE_AT];
    if (type !== DATA && type !== WINDOW_UPDATE) frames += 1;
    if (frames > FIRST_FRAMES_MAX) return true;
  }
  return false;
}
