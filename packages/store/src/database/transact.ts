import { setTimeout as sleep } from "node:timers/promises";
import type { Transaction } from "kysely";
import { Contended, Held } from "./contended.ts";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

export type Tx = Transaction<Tables>;

/** Contention that outlasts this many runs is a fault, not bad luck. */
const RUNS_MAX = 8;
/**
 * The pause before the second run. It doubles, with jitter, so that two colliding transactions do not collide
 * again.
 */
const PAUSE_MS = 5;
/**
 * The longest pause before a row that another transaction holds is asked for again: short enough that nobody
 * notices that it was free, and long enough that hundreds who ask cost little.
 */
const HELD_PAUSE_MAX_MS = 250;
/** How long a transaction comes again for a held row: as long as MySQL would let it wait in a statement. */
const HELD_MAX_MS = 5_000;

/**
 * Runs a transaction, and runs it again if the database rolled it back because of its timing. `body` may run
 * several times and must have no effect outside the database.
 *
 * A transaction that has waited for a row until the database gave up is not run again: it would only hold its
 * connection for longer. One that throws {@link Held} instead of waiting holds none while it pauses.
 */
export async function transact<T>(store: Store, body: (tx: Tx) => Promise<T>): Promise<T> {
  const endAt = performance.now() + HELD_MAX_MS;
  for (let run = 1; ; run++) {
    try {
      return await store.db.transaction().execute(body);
    } catch (error) {
      const isOver = error instanceof Held ? performance.now() >= endAt : run >= RUNS_MAX;
      if (isOver || !mayRunAgain(store, error)) throw error;
      await sleep(pauseMs(run));
    }
  }
}

function mayRunAgain({ seam }: Store, error: unknown): boolean {
  return (seam.isContention(error) && !seam.isLockTimeout(error)) || error instanceof Contended;
}

/** Returns the pause after this many runs, in milliseconds, with jitter. */
export function pauseMs(runs: number): number {
  return Math.min(PAUSE_MS * 2 ** (runs - 1), HELD_PAUSE_MAX_MS) * (0.5 + Math.random());
}
