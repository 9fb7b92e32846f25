/** Failures of a piece of work in a row, and when it is tried again. */
type Failing = { readonly failures: number; readonly untilMs: number };

export type SetAsideOptions = {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /**
   * Whether the error is everybody's, as of a database that is away: it is thrown on, and nothing is set
   * aside.
   */
  readonly isEverybodys: (error: unknown) => Promise<boolean>;
  /** A piece of work threw; it is left alone until then. */
  readonly onSetAside: (key: string, error: unknown, failing: Failing) => void;
};

/** The patience after a first failure; it doubles with each further one. */
const PATIENCE_MS = 1_000;
/** The longest: what was mended goes on five minutes later. */
const PATIENCE_MAX_MS = 5 * 60_000;
/** Keys remembered, some 100 bytes each. One that is forgotten is tried again sooner, and nothing else. */
const KEYS_MAX = 10_000;

/**
 * Keeps one piece of work that throws from stopping the others: it is set aside with growing patience, and
 * they go on.
 *
 * Kept in memory, for each process of its own: a restart tries everything again at once.
 *
 * @returns a function that does the work, or returns undefined where it is set aside or throws
 */
export function createSetAside({
  now,
  isEverybodys,
  onSetAside,
}: SetAsideOptions): <T>(key: string, work: () => Promise<T>) => Promise<T | undefined> {
  const failing = new Map<string, Failing>();
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
      failing.delete(key);
      const [oldest] = failing.keys();
      if (failing.size === KEYS_MAX && oldest !== undefined) failing.delete(oldest);
      failing.set(key, after);
      onSetAside(key, error, after);
      return undefined;
    }
  };
}
