import { type DeliveryId, type EventId, isTerminal } from "@posthaste/domain";
import { ID_SLACK_MS, leastDeliveryId, leastEventId } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { OPEN_STATES } from "../deliveries/transitions.ts";

/** The kinds of rows that are deleted for their age, in the order of a run. */
export const RETENTION_KINDS = ["idempotency_keys", "attempts", "events", "changes"] as const;
export type RetentionKind = (typeof RETENTION_KINDS)[number];

/** The maximum age of each kind, in milliseconds. */
export type RetentionAges = Readonly<Record<RetentionKind, number>>;

export type RetentionStep = {
  readonly deleted: number;
  /** Where the next step starts; undefined: nothing older is left. */
  readonly cursor: string | undefined;
};

/** Maximum rows examined in one transaction, short enough that nothing waits for it. */
const ROWS_AT_ONCE = 200;
/** Maximum deliveries deleted in one transaction: one event may have gone to thousands of subscriptions. */
const DELIVERIES_AT_ONCE = 1_000;
const COUNTER = 1;

/**
 * Deletes some rows that are older than `before`. Events and attempts of open deliveries stay, however old
 * they are.
 *
 * @param cursor the cursor of the previous step; empty: from the beginning
 */
export async function retain(
  store: Store,
  { kind, before, cursor }: { kind: RetentionKind; before: number; cursor: string },
): Promise<RetentionStep> {
  return await transact(store, (tx) => STEPS[kind](tx, before, cursor));
}

const STEPS: Readonly<
  Record<RetentionKind, (tx: Tx, before: number, cursor: string) => Promise<RetentionStep>>
> = {
  idempotency_keys: deleteKeys,
  attempts: deleteAttempts,
  events: deleteEvents,
  changes: deleteChanges,
};

async function deleteKeys(tx: Tx, before: number): Promise<RetentionStep> {
  const rows = await tx
    .selectFrom("idempotency_keys")
    .select(["account_id", "key_hash"])
    .where("created_at", "<", before)
    .limit(ROWS_AT_ONCE)
    .execute();
  for (const accountId of new Set(rows.map((row) => row.account_id))) {
    const hashes = rows.filter((row) => row.account_id === accountId).map((row) => row.key_hash);
    await tx
      .deleteFrom("idempotency_keys")
      .where("account_id", "=", accountId)
      .where("key_hash", "in", hashes)
      .execute();
  }
  return { deleted: rows.length, cursor: rows.length < ROWS_AT_ONCE ? undefined : "more" };
}

async function deleteAttempts(tx: Tx, before: number, cursor: string): Promise<RetentionStep> {
  const logged = await tx
    .selectFrom("attempts")
    .select("delivery_id")
    .distinct()
    .where("delivery_id", ">", cursor as DeliveryId)
    .where("delivery_id", "<", leastDeliveryId(before))
    .orderBy("delivery_id")
    .limit(ROWS_AT_ONCE)
    .execute();
  const ids = logged.map((row) => row.delivery_id);
  if (ids.length === 0) return { deleted: 0, cursor: undefined };
  const deliveries = await tx
    .selectFrom("deliveries")
    .select(["id", "state", "ended_at"])
    .where("id", "in", ids)
    .execute();
  const over = deliveries
    .filter((row) => isTerminal(row.state) && (row.ended_at ?? 0) < before)
    .map((row) => row.id);
  return {
    deleted: await deleteAttemptsOf(tx, over),
    cursor: ids.length < ROWS_AT_ONCE ? undefined : ids.at(-1),
  };
}

async function deleteEvents(tx: Tx, before: number, cursor: string): Promise<RetentionStep> {
  const old = await tx
    .selectFrom("events")
    .select(["id", "created_at"])
    .where("id", ">", cursor as EventId)
    .where("id", "<", leastEventId(before + ID_SLACK_MS))
    .orderBy("id")
    .limit(ROWS_AT_ONCE)
    .execute();
  const ids = old.filter((row) => row.created_at < before).map((row) => row.id);
  const { deleted, isAll } = await deleteClosedEvents(tx, ids);
  if (!isAll) return { deleted, cursor };
  return { deleted, cursor: old.length < ROWS_AT_ONCE ? undefined : old.at(-1)?.id };
}

/**
 * Deletes the events that have no open delivery and no unfinished fan-out, with their deliveries and
 * attempts.
 */
async function deleteClosedEvents(
  tx: Tx,
  ids: readonly EventId[],
): Promise<{ deleted: number; isAll: boolean }> {
  if (ids.length === 0) return { deleted: 0, isAll: true };
  const open = await tx
    .selectFrom("deliveries")
    .select("event_id")
    .where("event_id", "in", ids)
    .where("state", "in", OPEN_STATES)
    .execute();
  const unfinished = await tx.selectFrom("fanouts").select("event_id").where("event_id", "in", ids).execute();
  const kept = new Set([...open, ...unfinished].map((row) => row.event_id));
  const closed = ids.filter((id) => !kept.has(id));
  const { isAll } = await deleteEventsAndDeliveries(tx, closed);
  return { deleted: isAll ? closed.length : 0, isAll };
}

/**
 * Deletes events with their deliveries and attempts, and counts the latter two. If there are too many
 * deliveries, it deletes some of them and no event; call it again with the same ids until `isAll`.
 */
export async function deleteEventsAndDeliveries(
  tx: Tx,
  ids: readonly EventId[],
): Promise<{ isAll: boolean; deliveries: number; attempts: number }> {
  if (ids.length === 0) return { isAll: true, deliveries: 0, attempts: 0 };
  const rows = await tx
    .selectFrom("deliveries")
    .select("id")
    .where("event_id", "in", ids)
    .limit(DELIVERIES_AT_ONCE)
    .execute();
  const deliveryIds = rows.map((row) => row.id);
  // The deliveries first: this waits for an attempt that is being recorded, which would else outlive them.
  if (rows.length > 0) await tx.deleteFrom("deliveries").where("id", "in", deliveryIds).execute();
  const attempts = await deleteAttemptsOf(tx, deliveryIds);
  const isAll = rows.length < DELIVERIES_AT_ONCE;
  if (isAll) await tx.deleteFrom("events").where("id", "in", ids).execute();
  return { isAll, deliveries: rows.length, attempts };
}

async function deleteAttemptsOf(tx: Tx, ids: readonly DeliveryId[]): Promise<number> {
  let deleted = 0;
  // In chunks: one event may have thousands of deliveries.
  for (let from = 0; from < ids.length; from += ROWS_AT_ONCE) {
    const { numDeletedRows } = await tx
      .deleteFrom("attempts")
      .where("delivery_id", "in", ids.slice(from, from + ROWS_AT_ONCE))
      .executeTakeFirstOrThrow();
    deleted += Number(numDeletedRows);
  }
  return deleted;
}

/** Deletes changes by whole batches, so that it is clear which cursors are too old. */
async function deleteChanges(tx: Tx, before: number): Promise<RetentionStep> {
  const { batch } = await tx
    .selectFrom("delivery_changes")
    .select((eb) => eb.fn.min("batch").as("batch"))
    .executeTakeFirstOrThrow();
  if (batch === null) return { deleted: 0, cursor: undefined };
  const { newest } = await tx
    .selectFrom("delivery_changes")
    .select((eb) => eb.fn.max("changed_at").as("newest"))
    .where("batch", "=", Number(batch))
    .executeTakeFirstOrThrow();
  if (Number(newest) >= before) return { deleted: 0, cursor: undefined };
  const { numDeletedRows } = await tx
    .deleteFrom("delivery_changes")
    .where("batch", "=", Number(batch))
    .executeTakeFirstOrThrow();
  await tx
    .updateTable("change_counter")
    .set({ oldest_batch: Number(batch) })
    .where("id", "=", COUNTER)
    .execute();
  return { deleted: Number(numDeletedRows), cursor: "more" };
}
