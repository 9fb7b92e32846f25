import { type Expression, type ExpressionBuilder, type SelectQueryBuilder, sql } from "kysely";
import { Held } from "./contended.ts";
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
 *   turns                         the line of a subscription; its holder alone changes its turn_slots
 *   events                        kept from being deleted while a delivery of them is created
 *   deliveries                    and their attempts
 *
 * Rows of other tables are only inserted (the audit log), or locked by transactions that lock nothing else.
 *
 * A transaction may skip tables, never go back. If it finds out too late that it needs an earlier one, it
 * throws `Contended` and runs again (see `record-attempt.ts`). Rows that a transaction inserts are its own.
 * An insert waits only for a row with the same unique key: idempotency keys are inserted in their order, and
 * a delivery that someone else creates meanwhile makes its transaction run again.
 *
 * # Rows that another transaction holds
 *
 * The process that holds a row may be suspended. It then keeps the row until the database ends its session,
 * after a minute. A transaction that serves several accounts, or that many callers begin at once, therefore
 * waits for no row: it skips what is held, and either leaves that to a later round or throws {@link Held} to
 * come again without a connection in hand. A row that is skipped looks as if it did not exist. Where that
 * matters, a read without a lock tells.
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
 * Locks the one row that a query reads, until the end of the transaction.
 *
 * @param name the row's name in the error
 * @returns undefined: it does not exist
 * @throws Held if another transaction holds it: this one then comes again for five seconds, and holds no
 *   connection while it pauses
 */
export async function lockRow<DB, TB extends keyof DB, O>(
  { seam }: Pick<Store, "seam">,
  query: SelectQueryBuilder<DB, TB, O>,
  name: string,
): Promise<O | undefined> {
  const row = await lockRows({ seam }, query, "skip").executeTakeFirst();
  if (row !== undefined || !seam.locksRows) return row;
  if ((await query.executeTakeFirst()) === undefined) return undefined;
  throw new Held(`another transaction holds ${name}`);
}

/**
 * Locks the rows that one member of a union reads against changes, until the end of the transaction. Other
 * transactions may lock them in the same way. Rows that another transaction is changing are skipped. The rows
 * that the union's other members read are not locked.
 */
export function sharedInUnion<DB, TB extends keyof DB, O>(
  { seam }: Pick<Store, "seam">,
  eb: ExpressionBuilder<DB, TB>,
  query: SelectQueryBuilder<DB, TB, O>,
): Expression<O> {
  // SQLite knows no parentheses here.
  return seam.locksRows ? eb.parens(query.modifyEnd(sql.raw(shared("skip locked")))) : query;
}

/**
 * Does the same for the rows of a query. If another transaction is changing one, or is about to insert it,
 * the statement fails at once; see `isLockTimeout`.
 */
export function sharedOrFail<DB, TB extends keyof DB, O>(
  { seam }: Pick<Store, "seam">,
  query: SelectQueryBuilder<DB, TB, O>,
): SelectQueryBuilder<DB, TB, O> {
  return seam.locksRows ? query.modifyEnd(sql.raw(shared("nowait"))) : query;
}

/** MySQL spells it one way and MariaDB the other. Each takes the other's comment for a comment. */
function shared(ifLocked: "skip locked" | "nowait"): string {
  return `/*!80000 for share ${ifLocked} */ /*M! lock in share mode ${ifLocked} */`;
}
