import { setTimeout as sleep } from "node:timers/promises";
import type { Transaction } from "kysely";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

export type Tx = Transaction<Tables>;

/** Contention that outlasts this many runs is not bad luck but a fault. */
const RUNS_MAX = 8;
/** The pause before the second run; it doubles, with jitter, so that two that collided do not collide again. */
const PAUSE_MS = 5;

/**
 * Runs a transaction, again where the database rolled it back for its timing alone. `body` may so run several times
 * and must have no effect but on the database.
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

/** Thrown inside a transaction to have it rolled back and run again: another one got there first. */
export class Contended extends Error {
  override readonly name = "Contended";
}
