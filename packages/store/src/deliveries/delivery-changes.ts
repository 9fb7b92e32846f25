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
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";

/** A state that a delivery came to. */
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

/** How far a follower has read. */
export type ChangeCursor = { readonly batch: number; readonly id: number };

/** Changes put in order in one transaction. */
const ORDERED_AT_ONCE = 1_000;
const COUNTER = 1;

/**
 * Gives the changes that were committed since their place in the order. A database's own numbers do not do: they are
 * given before the commit, so a reader that has seen 8 may have missed a 7 that was committed later. Here one after another
 * takes the counter's lock, and what it numbers is committed already and visible before the next one numbers more.
 *
 * @returns how many were put in order
 */
export async function orderChanges(store: Store): Promise<number> {
  // Most of the time there are none, and looking must not take a lock.
  if ((await unordered(store, store.db, 1)).length === 0) return 0;
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("change_counter").select("batch").where("id", "=", COUNTER);
    const { batch } = await lockRows(store, query).executeTakeFirstOrThrow();
    const ids = await unordered(store, tx, ORDERED_AT_ONCE);
    if (ids.length === 0) return 0;
    await tx
      .updateTable("delivery_changes")
      .set({ batch: batch + 1 })
      .where("id", "in", ids)
      .execute();
    await tx
      .updateTable("change_counter")
      .set({ batch: batch + 1 })
      .where("id", "=", COUNTER)
      .execute();
    return ids.length;
  });
}

/** Where somebody begins who wants what comes from now on. */
export async function currentCursor(store: Store): Promise<ChangeCursor> {
  const { batch } = await counterOf(store);
  return { batch, id: Number.MAX_SAFE_INTEGER };
}

/**
 * The account's changes after a cursor, in their order, and the cursor after them. Every change is read by whoever goes
 * on from cursor to cursor, however the writers' transactions overlapped.
 *
 * @throws Refusal `wrong_state` for a cursor so old that changes after it have been deleted
 */
export async function listChanges(
  store: Store,
  {
    accountId,
    subscriptionId,
    after,
    limit,
  }: { accountId: AccountId; subscriptionId?: SubscriptionId; after: ChangeCursor; limit: number },
): Promise<{ changes: DeliveryChange[]; cursor: ChangeCursor }> {
  // Read before the changes: what is ordered after this is not passed over by a cursor that jumps.
  const { batch } = await counterOf(store);
  let query = store.db
    .selectFrom(byIndex(store, "delivery_changes", "delivery_changes_in_order"))
    .selectAll()
    .where("account_id", "=", accountId)
    .where("batch", ">=", after.batch)
    .where("batch", "<=", batch)
    .where((eb) => eb.or([eb("batch", ">", after.batch), eb("id", ">", after.id)]))
    .orderBy("batch")
    .orderBy("id")
    .limit(limit);
  if (subscriptionId !== undefined) query = query.where("subscription_id", "=", subscriptionId);
  const rows = await query.execute();
  // Read after them: what was deleted meanwhile is missing in what was read.
  const { oldest_batch } = await counterOf(store);
  const isHalfway = after.batch === oldest_batch && oldest_batch > 0 && after.id !== Number.MAX_SAFE_INTEGER;
  if (after.batch < oldest_batch || isHalfway) {
    throw new Refusal(
      "wrong_state",
      "cursor is so old that changes after it are gone; list the deliveries, and watch without a cursor",
      { field: "cursor" },
    );
  }
  const last = rows.at(-1);
  const cursor =
    last !== undefined && rows.length === limit
      ? { batch: last.batch ?? after.batch, id: last.id }
      : // All there is up to this batch has been read, also what was another account's.
        { batch: Math.max(batch, after.batch), id: Number.MAX_SAFE_INTEGER };
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
  };
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
