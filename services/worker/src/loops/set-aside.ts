import { MINUTE_MS } from "@posthaste/domain";
import { LRUCache } from "lru-cache";

/** A piece of work that fails: its consecutive failures, and when it is tried again (epoch milliseconds). */
export type Failing = { readonly failures: number; readonly untilMs: number };

/** How long work is set aside after its first failure. Each further failure in a row doubles this. */
const PATIENCE_MS = 1_000;
/** The longest time set aside, so repaired work continues within five minutes. */
const PATIENCE_MAX_MS = 5 * MINUTE_MS;
/**
 * The maximum number of keys remembered, about 100 bytes each. Beyond it, the oldest key is dropped, and its
 * work is tried again sooner.
 */
const KEYS_MAX = 10_000;

/** Remembers which pieces of work failed, and how long each is set aside. */
export type Patience = {
  /** Returns whether this work is set aside now. */
  isSetAside(key: string | number): boolean;
  /** Notes a failure, and returns until when the work is set aside. */
  failed(key: string | number): Failing;
  /** Notes a success: the next failure counts as the first. */
  succeeded(key: string | number): void;
};

/**
 * Creates a {@link Patience}.
 *
 * Its state is in memory, per process: a restarted process tries everything at once.
 *
 * @param options.now epoch milliseconds
 * @param options.firstMs how long work is set aside after its first failure. Default: {@link PATIENCE_MS}
 */
export function createPatience({
  now,
  firstMs = PATIENCE_MS,
}: {
  now: () => number;
  firstMs?: number;
}): Patience {
  const failing = new LRUCache<string | number, Failing>({ max: KEYS_MAX });
  return {
    isSetAside: (key) => now() < (failing.get(key)?.untilMs ?? 0),
    failed(key) {
      const failures = (failing.get(key)?.failures ?? 0) + 1;
      const untilMs = now() + Math.min(firstMs * 2 ** (failures - 1), PATIENCE_MAX_MS);
      failing.set(key, { failures, untilMs });
      return { failures, untilMs };
    },
    succeeded: (key) => void failing.delete(key),
  };
}

export type SetAsideOptions = {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /**
   * Resolves to true if the error would hit any piece of work, as when the database is unavailable. Such an
   * error is rethrown, and nothing is set aside.
   */
  readonly isEverybodys: (error: unknown) => Promise<boolean>;
  /** Called when a piece of work throws and is set aside. */
  readonly onSetAside: (key: string, error: unknown, failing: Failing) => void;
};

/**
 * Creates a guard that sets aside a piece of work that throws, for a growing time, so that
 * the others continue.
 *
 * @returns a function that runs the work; it resolves to undefined if the work is set aside or throws
 */
export function createSetAside({
  now,
  isEverybodys,
  onSetAside,
}: SetAsideOptions): <T>(key: string, work: () => Promise<T>) => Promise<T | undefined> {
  const patience = createPatience({ now });
  return async (key, work) => {
    if (patience.isSetAside(key)) return undefined;
    try {
      const result = await work();
      patience.succeeded(key);
      return result;
    } catch (error) {
      if (await isEverybodys(error)) throw error;
      onSetAside(key, error, patience.failed(key));
      return undefined;
    }
  };
}
