import type { SubscriptionId } from "@posthaste/domain";
import { Held } from "../database/contended.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";

/** The transactions of this process that need one subscription's rows. */
type Line = {
  /** Resolves when the last one that came has ended. */
  end: Promise<void>;
  /** How many have come and not ended. */
  count: number;
  /** The last one that found a row held until it gave up, and when, on the clock of `performance.now`. */
  gaveUp?: { readonly error: Held; readonly at: number };
};

const linesOf = new WeakMap<Store["db"], Map<SubscriptionId, Line>>();

/**
 * Runs a transaction that locks a subscription's row or line, after those of this process that came before
 * it. They would only wait for each other in the database, each with a connection in hand, and the retries of
 * one subscription would take all of them. If one finds a row held until it gives up, those that have waited
 * behind it fail with it.
 */
export async function inLine<T>(store: Store, id: SubscriptionId, body: (tx: Tx) => Promise<T>): Promise<T> {
  const lines = linesOf.get(store.db) ?? new Map<SubscriptionId, Line>();
  linesOf.set(store.db, lines);
  const line = lines.get(id) ?? { end: Promise.resolve(), count: 0 };
  lines.set(id, line);
  const cameAt = performance.now();
  const run = async () => {
    try {
      if (line.gaveUp !== undefined && line.gaveUp.at >= cameAt) throw line.gaveUp.error;
      return await transact(store, body);
    } catch (error) {
      const isNew = error instanceof Held && error !== line.gaveUp?.error;
      if (isNew) line.gaveUp = { error, at: performance.now() };
      throw error;
    } finally {
      line.count -= 1;
      if (line.count === 0) lines.delete(id);
    }
  };
  line.count += 1;
  const running = line.end.then(run);
  line.end = running.then(
    () => {},
    () => {},
  );
  return await running;
}
