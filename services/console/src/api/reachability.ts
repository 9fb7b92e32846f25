import { isUnreached } from "./errors.ts";

/** The first wait of a series of tries. It doubles up to the maximum. */
const WAIT_MS = 1_000;
/** So that the page goes on soon after Posthaste is back, while many open pages do not add to its load. */
const WAIT_MAX_MS = 15_000;

/** Knows whether Posthaste can be reached, and tries until it can. */
export type Reachability = {
  isAway(): boolean;
  subscribe(listener: () => void): () => void;
  /** Notes that Posthaste has answered a call. */
  noteAnswer(): void;
  /** Notes that a call failed. Begins to try if it did not reach Posthaste. */
  noteFailure(error: unknown): void;
  /** Tries at once instead of after the wait. */
  tryNow(): void;
  /** Resolves once Posthaste can be reached, or the signal aborts. */
  whenReached(signal: AbortSignal): Promise<void>;
};

/**
 * @param probe makes a call whose outcome is noted; never rejects
 * @param wait resolves after a time, or at once when the signal aborts
 */
export function createReachability(
  probe: () => Promise<void>,
  wait: (ms: number, signal: AbortSignal) => Promise<void>,
): Reachability {
  let isAway = false;
  let waitMs = WAIT_MS;
  let hurry = new AbortController();
  const listeners = new Set<() => void>();
  const set = (away: boolean) => {
    if (away === isAway) return;
    isAway = away;
    for (const listener of [...listeners]) listener();
  };
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const keepTrying = async () => {
    for (waitMs = WAIT_MS; isAway; waitMs = Math.min(2 * waitMs, WAIT_MAX_MS)) {
      hurry = new AbortController();
      await wait(waitMs, hurry.signal);
      if (isAway) await probe();
    }
  };
  return {
    isAway: () => isAway,
    subscribe,
    noteAnswer: () => set(false),
    noteFailure(error) {
      if (isAway || !isUnreached(error)) return;
      set(true);
      void keepTrying();
    },
    tryNow: () => hurry.abort(),
    async whenReached(signal) {
      if (!isAway || signal.aborted) return;
      await new Promise<void>((resolve) => {
        const settle = () => {
          stop();
          signal.removeEventListener("abort", settle);
          resolve();
        };
        const stop = subscribe(settle);
        signal.addEventListener("abort", settle);
      });
    },
  };
}
