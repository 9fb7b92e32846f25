import type { SelectQueryBuilder } from "kysely";
import type { Store } from "./store.ts";

/**
 * Locks the rows that a query reads until the end of the transaction. SQLite has one writer and needs no
 * locks.
 *
 * @param ifLocked rows that another transaction holds: `wait` up to 5 s for them and then fail, or `skip`
 *   them as if they did not exist. Default: `wait`
 */
export function lockRows<DB, TB extends keyof DB, O>(
  { seam }: Pick<Store, "seam">,
  query: SelectQueryBuilder<DB, TB, O>,
  ifLocked: "wait" | "skip" = "wait",
): SelectQueryBuilder<DB, TB, O> {
  if (!seam.locksRows) return query;
  return ifLocked === "skip" ? query.forUpdate().skipLocked() : query.forUpdate();
}
