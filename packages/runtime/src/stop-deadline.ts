import { setImmediate as turn } from "node:timers/promises";

/** The one deadline that all parts of a stop share, and the record of what it cut off. */
export type StopDeadline = {
  /** Aborts when the time is up. */
  readonly signal: AbortSignal;
  /**
   * Waits until a part has ended, but not beyond the deadline. After the deadline, a part that does not end
   * at once is cut off.
   *
   * @param part the part's name in the log line about the stop
   * @param left returns how many of the part's pieces have not ended. Default: one
   * @throws the part's error, if the part fails before the deadline
   */
  waitFor(part: string, end: Promise<unknown>, left?: () => number): Promise<void>;
  /** Notes that a part leaves pieces undone, although it does not wait for the deadline. */
  leave(part: string, pieces: number): void;
  /** Returns what was left undone so far: how many pieces of which part. */
  left(): Readonly<Record<string, number>>;
};

/** Creates a deadline that passes after `withinMs`. Its timer does not keep the process alive. */
export function createStopDeadline(withinMs: number): StopDeadline {
  const time = new AbortController();
  const pieces = new Map<string, number>();
  const passed = new Promise<void>((resolve) => {
    setTimeout(() => {
      time.abort();
      resolve();
    }, withinMs).unref();
  });
  const leave = (part: string, count: number) => {
    if (count > 0) pieces.set(part, (pieces.get(part) ?? 0) + count);
  };
  return {
    signal: time.signal,
    leave,
    async waitFor(part, end, left = () => 1) {
      // After the deadline, a part has one turn of the event loop: what can end at once need not be cut off.
      const isOver = await Promise.race([end.then(() => true), passed.then(() => turn(false))]);
      if (isOver) return;
      end.catch(() => {
        // The process ends without this part, so its failure has no consequence.
      });
      leave(part, left());
    },
    left: () => Object.fromEntries(pieces),
  };
}
