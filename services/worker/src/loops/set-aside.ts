import { MINUTE_MS } from "@posthaste/domain";
import { LRUCache } from "lru-cache";

/** A piece of work that fails: its consecutive failures, and when it is tried again (epoch milliseconds). */
type Failing = { readonly failures: number; readonly untilMs: number };

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

/** How long work is set aside after its first failure. Each further failure in a row doubles this. */
const PATIENCE_MS = 1_000;
/** The longest time set aside, so repaired work continues within five minutes. */
const PATIENCE_MAX_MS = 5 * MINUTE_MS;
/**
 * The maximum number of keys remembered, about 100 bytes each. Beyond it, the oldest key is dropped, and its
 * work is tried again sooner.
 */
const KEYS_MAX = 10_000;

/**
 * Creates a guard that sets aside a piece of work that throws, for a growing time, so that
 * the others continue.
 *
 * The state is in memory, per process: a restarted process tries everything at once.
 *
 * @returns a function that runs the work; it resolves to undefined if the work is set aside or throws
 */
export function createSetAside({
  now,
  isEverybodys,
  onSetAside,
}: SetAsideOptions): <T>(key: string, work: () => Promise<T>) => Promise<T | undefined> {
  const failing = new LRUCache<string, Failing>({ max: KEYS_MAX });
  return async (key, work) => {
    const before = failing.get(key);
    if (before !== undefined && now() < before.untilMs) return undefined;
    try {
      const result = await work();
      failing.delete(key);
      return result;
    } catch (error) {
      if (await isEverybodys(error)) throw error;
      const failures = (before?.failures ?? 0) + 1;
      const patienceMs = Math.min(PATIENCE_MS * 2 ** (failures - 1), PATIENCE_MAX_MS);
      const after = { failures, untilMs: now() + patienceMs };
      failing.set(key, after);
      onSetAside(key, error, after);
      return undefined;
    }
  };
}
