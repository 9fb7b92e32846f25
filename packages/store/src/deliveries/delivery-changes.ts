import {
  type AccountId,
  type DeliveryId,
  type DeliveryState,
  type EventId,
  type Outcome,
  Refusal,
  type SubscriptionId,
} from "@posthaste/domain";
import { byIndex } from "../database/by-index.ts";
import { endsTransaction, inParts, type Refused } from "../database/in-parts.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";

/** A change of a delivery's state or number of attempts. */
export type DeliveryChange = {
  readonly deliveryId: DeliveryId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly subscriptionId: SubscriptionId;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly lastOutcome: Outcome | null;
  readonly lastStatus: number | null;
  readonly changedAt: number;
};

/** How far a reader of the log has read. */
export type ChangeCursor = { readonly batch: number; readonly id: number };

/** Maximum changes ordered in one transaction. */
const ORDERED_AT_ONCE = 1_000;
/**
 * How many of the account's changes one call examines to find those of a subscription. There is no index by
 * subscription, because every change would pay for it; reading this many takes some ten milliseconds.
 */
const EXAMINED_MAX = 10_000;
const COUNTER = 1;

/**
 * Orders the changes that were committed since the last call. The database's own numbers do not give an
 * order: they are assigned before the commit, so a reader that has seen 8 may have missed a 7 that was
 * committed later. Here callers take the counter's lock one after another. The changes that a caller numbers
 * are committed and visible before the next caller numbers more.
 *
 * A batch's number is the time of its ordering, or the next number if that is taken. So a database that was
 * restored from a backup never gives a number again that its lost future gave: a reader from that time finds
 * every change since the restore after its cursor.
 *
 * A change whose row cannot be written stays without a number, and the others get theirs. Of such changes,
 * {@link ORDERED_AT_ONCE} would hide all later ones.
 *
 * @param now epoch milliseconds
 * @param onRefused called with the changes that were left out, if any
 * @returns how many changes were ordered
 */
export async function orderChanges(
  store: Store,
  now: number,
  onRefused: (refused: readonly Refused<number>[]) => void = () => {},
): Promise<number> {
  // Mostly there are none, and this check takes no lock.
  if ((await unordered(store, store.db, 1)).length === 0) return 0;
  const { count, refused } = await transact(store, async (tx) => {
    const query = tx.selectFrom("change_counter").select("batch").where("id", "=", COUNTER);
    const before = await lockRows(store, query).executeTakeFirstOrThrow();
    const batch = Math.max(before.batch + 1, now);
    const ids = await unordered(store, tx, ORDERED_AT_ONCE);
    // In one transaction: a statement that fails leaves nothing behind.
    const number = async (some: readonly number[]) => {
      await tx.updateTable("delivery_changes").set({ batch }).where("id", "in", some).execute();
    };
    const refused = await inParts(ids, number, (error) => endsTransaction(store, error));
    if (ids.length > refused.length) {
      await tx.updateTable("change_counter").set({ batch }).where("id", "=", COUNTER).execute();
    }
    return { count: ids.length - refused.length, refused };
  });
  if (refused.length > 0) onRefused(refused);
  return count;
}

/** Returns the cursor for a reader that wants only changes from now on. */
export async function currentCursor(store: Store): Promise<ChangeCursor> {
  const { batch } = await counterOf(store);
  return { batch, id: Number.MAX_SAFE_INTEGER };
}

/**
 * Returns the account's changes after a cursor, in their order, and the cursor after them. A reader that
 * continues from cursor to cursor reads every change, however the writers' transactions overlapped.
 *
 * @param options.examinedMax how many of the account's changes are examined for those of a subscription.
 *   Default: {@link EXAMINED_MAX}
 * @returns `goesOn`: more changes may follow at once, because the call stopped at one of its bounds
 *
 * @throws Refusal `wrong_state` if the cursor is so old that changes after it have been deleted, or if it is
 *   ahead of the log, because the database was restored from a backup
 */
export async function listChanges(
  store: Store,
  {
    accountId,
    subscriptionId,
    after,
    limit,
    examinedMax = EXAMINED_MAX,
  }: {
    accountId: AccountId;
    subscriptionId?: SubscriptionId;
    after: ChangeCursor;
    limit: number;
    examinedMax?: number;
  },
): Promise<{ changes: DeliveryChange[]; cursor: ChangeCursor; goesOn: boolean }> {
  // Read before the changes, so that a cursor that jumps ahead does not skip changes that are ordered after
  // this.
  const { batch } = await counterOf(store);
  if (after.batch > batch) {
    throw startOver("is ahead of the stored changes: the database was restored from a backup");
  }
  const upTo = { batch, id: Number.MAX_SAFE_INTEGER };
  const examined =
    subscriptionId === undefined
      ? undefined
      : await lastOf(store, { accountId, after, upTo, count: examinedMax });
  const end = examined ?? upTo;
  let query = between(store, { accountId, after, upTo: end }).selectAll().limit(limit);
  if (subscriptionId !== undefined) query = query.where("subscription_id", "=", subscriptionId);
  const rows = await query.execute();
  // Read after the changes, so that changes deleted in between are noticed.
  const { oldest_batch } = await counterOf(store);
  const isHalfway = after.batch === oldest_batch && oldest_batch > 0 && after.id !== Number.MAX_SAFE_INTEGER;
  if (after.batch < oldest_batch || isHalfway) {
    throw startOver("is too old: changes after it have been deleted");
  }
  const last = rows.at(-1);
  const isFull = last !== undefined && rows.length === limit;
  // Not full: everything up to the end has been read, including other accounts' changes.
  const cursor = isFull ? { batch: last.batch ?? after.batch, id: last.id } : end;
  return {
    changes: rows.map((row) => ({
      deliveryId: row.delivery_id,
      eventId: row.event_id,
      eventType: row.event_type,
      subscriptionId: row.subscription_id,
      state: row.state,
      attempts: row.attempts,
      lastOutcome: row.last_outcome,
      lastStatus: row.last_status,
      changedAt: row.changed_at,
    })),
    cursor,
    goesOn: isFull || examined !== undefined,
  };
}

type Span = { readonly accountId: AccountId; readonly after: ChangeCursor; readonly upTo: ChangeCursor };

/** Returns a query for an account's changes after one cursor, up to another one, in their order. */
function between(store: Store, { accountId, after, upTo }: Span) {
  return store.db
    .selectFrom(byIndex(store, "delivery_changes", "delivery_changes_in_order"))
    .where("account_id", "=", accountId)
    .where("batch", ">=", after.batch)
    .where("batch", "<=", upTo.batch)
    .where((eb) => eb.or([eb("batch", ">", after.batch), eb("id", ">", after.id)]))
    .where((eb) => eb.or([eb("batch", "<", upTo.batch), eb("id", "<=", upTo.id)]))
    .orderBy("batch")
    .orderBy("id");
}

/** Returns where the first `count` of these changes end; undefined: there are fewer. */
async function lastOf(
  store: Store,
  { count, ...span }: Span & { readonly count: number },
): Promise<ChangeCursor | undefined> {
  const row = await between(store, span)
    .select(["batch", "id"])
    .limit(1)
    .offset(count - 1)
    .executeTakeFirst();
  return row && { batch: row.batch ?? span.after.batch, id: row.id };
}

function startOver(problem: string): Refusal {
  const advice = "list the deliveries, then watch without a cursor";
  return new Refusal("wrong_state", `cursor ${problem}; ${advice}`, {
    reason: "CURSOR_LOST",
    field: "cursor",
  });
}

async function counterOf({ db }: Store): Promise<{ batch: number; oldest_batch: number }> {
  return await db
    .selectFrom("change_counter")
    .select(["batch", "oldest_batch"])
    .where("id", "=", COUNTER)
    .executeTakeFirstOrThrow();
}

async function unordered(store: Store, db: Pick<Tx, "selectFrom">, limit: number): Promise<number[]> {
  const rows = await db
    .selectFrom(byIndex(store, "delivery_changes", "delivery_changes_by_batch"))
    .select("id")
    .where("batch", "is", null)
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}
