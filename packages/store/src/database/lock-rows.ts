import type { SelectQueryBuilder } from "kysely";
import type { Store } from "./store.ts";

/**
 * Has a query lock the rows that it reads until the transaction is over. SQLite has one writer and needs no locks.
 *
 * @param ifLocked rows that another transaction holds: `wait` for them, for 5 s and with an error after that, or `skip`
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
