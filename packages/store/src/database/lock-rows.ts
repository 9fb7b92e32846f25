import { type Expression, type ExpressionBuilder, type SelectQueryBuilder, sql } from "kysely";
import type { Store } from "./store.ts";

/*
 * # The order of locks
 *
 * Two transactions that lock the same rows in different orders deadlock. A transaction that locks rows of
 * several tables therefore locks them in this order, parents before children, and the rows of one table in
 * the order of their ids:
 *
 *   accounts                      whether the account may still store anything
 *   recoveries, erasures, fanouts the operation that is being advanced
 *   subscriptions                 their state and health
 *   turns, turn_slots             the line of a subscription
 *   events                        kept from being deleted while a delivery of them is created
 *   deliveries                    and their attempts
 *
 * A transaction may skip tables, never go back. If it finds out too late that it needs an earlier one, it
 * throws `Contended` and runs again (see `record-attempt.ts`). Rows that a transaction inserts are its own.
 * An insert waits only for a row with the same unique key: idempotency keys are inserted in their order, and
 * a delivery that someone else creates meanwhile makes its transaction run again.
 */

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

/**
 * Locks the rows that one member of a union reads against changes, until the end of the transaction. Other
 * transactions may lock them in the same way. The rows that the union's other members read are not locked.
 */
export function sharedInUnion<DB, TB extends keyof DB, O>(
  { seam }: Pick<Store, "seam">,
  eb: ExpressionBuilder<DB, TB>,
  query: SelectQueryBuilder<DB, TB, O>,
): Expression<O> {
  // MariaDB does not know FOR SHARE, and SQLite no parentheses here.
  return seam.locksRows ? eb.parens(query.modifyEnd(sql`lock in share mode`)) : query;
}
