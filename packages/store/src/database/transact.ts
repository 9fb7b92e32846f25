import { setTimeout as sleep } from "node:timers/promises";
import type { Transaction } from "kysely";
import { Contended } from "./contended.ts";
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
 * Runs a transaction, and runs it again if the database rolled it back because of its timing. `body` may run
 * several times and must have no effect outside the database.
 */
export async function transact<T>(store: Store, body: (tx: Tx) => Promise<T>): Promise<T> {
  for (let run = 1; ; run++) {
    try {
      return await store.db.transaction().execute(body);
    } catch (error) {
      if (run === RUNS_MAX || !(error instanceof Contended || store.seam.isContention(error))) throw error;
      await sleep(PAUSE_MS * 2 ** (run - 1) * (0.5 + Math.random()));
    }
  }
}
