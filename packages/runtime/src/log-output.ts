import { writeSync } from "node:fs";

/**
 * Maximum bytes of lines that wait for the output, some ten thousand lines. More would take memory from the
 * work, for as long as a disk is full or a pipe is not read.
 */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
/** Written at once, at most. Small pieces go on as soon as a disk has a little room. */
const PIECE_BYTES_MAX = 65_536;
/**
 * After how long a refused write is tried again. A pipe that is being read takes its 64 KiB each time, some
 * 3 MB a second. A disk stays full for minutes.
 */
const RETRY_MS = { min: 20, max: 1_000 };
/** How long the end of the process waits for an output that does not read its lines. */
const FINISH_WITHIN_MS = 1_000;
const FINISH_RETRY_MS = 20;

export type LogOutput = {
  /** Takes a line. It never throws, and never waits. */
  write(line: string): void;
  /** Writes what waits before it returns, for a second at most: for the end of the process. */
  finish(): void;
};

/**
 * Creates an output for lines. No line is worth the process: if the output refuses lines (a full disk) or
 * does not read them (a pipe that stalls), they wait, and are tried again by themselves. What does not fit is
 * lost, and counted.
 *
 * It is our own because a destination of pino does not go on by itself once its buffer is full, throws in its
 * synchronous form, and waits for ever at the end of a process whose output is full. The lines of one turn of
 * the event loop are written together and by this thread: Node's other threads may be busy for seconds.
 *
 * @param fd must not block if it is a pipe
 * @param onLost called with each line that is lost
 * @param onRoom called with how many lines were lost, once the others have been written
 */
export function createLogOutput(
  fd: number,
  { onLost, onRoom }: { readonly onLost: () => void; readonly onRoom: (lost: number) => void },
): LogOutput {
  const pieces: { text: string; bytes: number }[] = [];
  /** What is left of the piece that is being written. */
  let rest: Buffer = Buffer.alloc(0);
  let waitingBytes = 0;
  let lost = 0;
  let isScheduled = false;
  let retry: NodeJS.Timeout | undefined;
  let retryMs = RETRY_MS.min;

  /** @throws the system's error if the output refuses a line */
  const writeAll = () => {
    for (;;) {
      if (rest.length === 0) rest = Buffer.from(pieces.shift()?.text ?? "");
      if (rest.length === 0) return;
      const bytes = writeSync(fd, rest);
      rest = rest.subarray(bytes);
      waitingBytes -= bytes;
    }
  };
  const go = () => {
    isScheduled = false;
    retry = undefined;
    const waitingBefore = waitingBytes;
    try {
      writeAll();
      retryMs = RETRY_MS.min;
    } catch {
      // A full pipe that took something is being read: its reader may be slower than these writes.
      if (waitingBytes < waitingBefore) retryMs = RETRY_MS.min;
      // It does not keep the process from ending.
      retry = setTimeout(go, retryMs).unref();
      retryMs = Math.min(2 * retryMs, RETRY_MS.max);
      return;
    }
    const lines = lost;
    lost = 0;
    if (lines > 0) onRoom(lines);
  };
  return {
    write(line) {
      const bytes = Buffer.byteLength(line);
      if (waitingBytes + bytes > WAITING_BYTES_MAX) {
        lost += 1;
        return onLost();
      }
      waitingBytes += bytes;
      const last = pieces.at(-1);
      if (last === undefined || last.bytes + bytes > PIECE_BYTES_MAX) pieces.push({ text: line, bytes });
      else {
        last.text += line;
        last.bytes += bytes;
      }
      if (isScheduled || retry !== undefined) return;
      isScheduled = true;
      setImmediate(go);
    },
    finish() {
      const until = performance.now() + FINISH_WITHIN_MS;
      for (;;) {
        try {
          return writeAll();
        } catch (error) {
          const isBehind = error instanceof Error && "code" in error && error.code === "EAGAIN";
          if (!isBehind || performance.now() >= until) return;
          Atomics.wait(PAUSE, 0, 0, FINISH_RETRY_MS);
        }
      }
    },
  };
}

/** Nobody notifies those that wait on it. */
const PAUSE = new Int32Array(new SharedArrayBuffer(4));
