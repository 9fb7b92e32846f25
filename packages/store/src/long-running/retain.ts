import { type AccountId, type DeliveryId, type EventId, isTerminal } from "@posthaste/domain";
import { sql } from "kysely";
import { byIndex } from "../database/by-index.ts";
import { deleteFirst } from "../database/delete-first.ts";
import { ID_SLACK_MS, leastAuditEntryId, leastDeliveryId, leastEventId } from "../database/ids.ts";
import { isEverybodys, type Refused } from "../database/in-parts.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { lockEvents } from "../deliveries/lock-events.ts";
import { OPEN_STATES } from "../deliveries/transitions.ts";
import { areCounted, COUNTS_KEPT_MS } from "../statistics/count-changes.ts";

/** The kinds of rows that are deleted for their age, in the order of a run. */
export const RETENTION_KINDS = [
  "idempotency_keys",
  "attempts",
  "events",
  "changes",
  "removed_event_types",
  "audit_entries",
] as const;
export type RetentionKind = (typeof RETENTION_KINDS)[number];

/** The maximum age of each kind, in milliseconds. */
export type RetentionAges = Readonly<Record<RetentionKind, number>>;

export type RetentionStep = {
  readonly deleted: number;
  /** Where the next step starts; undefined: nothing older is left. */
  readonly cursor: string | undefined;
  /** An event, or a delivery whose attempts are old, that could not be deleted. The next run tries again. */
  readonly leftOut?: Refused<EventId | DeliveryId>;
  /** When the oldest changes were made, if they have reached their age but are not counted yet. */
  readonly uncountedSince?: number;
};

/** Maximum rows examined in one transaction, short enough that nothing waits for it. */
const ROWS_AT_ONCE = 200;
/**
 * Maximum deliveries of a step's events that are examined for one that is open, unless the first event alone
 * has more: 200 wide events may have millions.
 */
const EXAMINED_AT_ONCE = 2_000;
/** Maximum deliveries deleted in one transaction: one event may have gone to thousands of subscriptions. */
const DELIVERIES_AT_ONCE = 500;
/** Attempts deleted in one transaction after which no further delivery's are: each may have 16 KiB. */
const ATTEMPTS_AT_ONCE = 500;
const COUNTER = 1;

/**
 * Deletes some rows that are older than `before`. The age of an event and of an attempt counts from the end
 * of what is owed: an event's from the end of the last of its deliveries, or from its ingest if it has none;
 * an attempt's from the end of its delivery. What belongs to an open delivery therefore has no age yet. The
 * age of a key counts from its ingest, that of a change and of an entry in the audit log from when it was
 * made, and that of an event type that a subscription no longer wants from its removal, unless an unfinished
 * fan-out may still match it. A change stays until it is counted, at most for as long again as counters are
 * kept.
 *
 * An event that cannot be deleted, or a delivery whose attempts cannot, is left out: the others are deleted.
 *
 * @param options.now what was made later lies in the future, by a clock that was wrong. Default: nothing does
 * @param options.cursor the cursor of the previous step; empty: from the beginning
 */
export async function retain(
  store: Store,
  {
    kind,
    before,
    now = Number.POSITIVE_INFINITY,
    cursor,
  }: { kind: RetentionKind; before: number; now?: number; cursor: string },
): Promise<RetentionStep> {
  for (let limit = ROWS_AT_ONCE; ; limit = Math.ceil(limit / 2)) {
    try {
      return await transact(store, (tx) => STEPS[kind](store, tx, { before, now, cursor, limit }));
    } catch (error) {
      if (await isEverybodys(store, error)) throw error;
      if (limit > 1) continue;
      const item = await nextOf(store, kind, { before, now, cursor, limit });
      if (item === undefined) throw error;
      return { deleted: 0, cursor: item, leftOut: { item, error } };
    }
  }
}

/** What a step examines: rows older than `before`, after `cursor`, at most `limit`. */
type Span = {
  readonly before: number;
  readonly now: number;
  readonly cursor: string;
  readonly limit: number;
};

/** Returns the row with which a step of one row begins; undefined: the kind passes none by. */
async function nextOf({ db }: Store, kind: RetentionKind, span: Span) {
  switch (kind) {
    case "attempts":
      return (await loggedDeliveries(db, span))[0];
    case "events":
      return (await eventsBefore(db, span))[0]?.id;
    case "idempotency_keys":
    case "changes":
    case "removed_event_types":
    case "audit_entries":
      return undefined;
  }
}

const STEPS: Readonly<Record<RetentionKind, (store: Store, tx: Tx, span: Span) => Promise<RetentionStep>>> = {
  idempotency_keys: deleteKeys,
  attempts: deleteAttempts,
  events: deleteEvents,
  changes: deleteChanges,
  removed_event_types: deleteRemovedEventTypes,
  audit_entries: deleteAuditEntries,
};

async function deleteKeys(store: Store, tx: Tx, { before, limit }: Span): Promise<RetentionStep> {
  const rows = { table: "idempotency_keys", orderBy: "created_at", limit } as const;
  const deleted = await deleteFirst(store, tx, { ...rows, where: sql`created_at < ${before}` });
  return { deleted, cursor: deleted < limit ? undefined : "more" };
}

/** By their ids, which begin with their time and may be a moment ahead of it. */
async function deleteAuditEntries(store: Store, tx: Tx, { before, limit }: Span): Promise<RetentionStep> {
  const rows = { table: "audit_entries", orderBy: "id", limit } as const;
  const deleted = await deleteFirst(store, tx, { ...rows, where: sql`id < ${leastAuditEntryId(before)}` });
  return { deleted, cursor: deleted < limit ? undefined : "more" };
}

async function deleteAttempts(_store: Store, tx: Tx, span: Span): Promise<RetentionStep> {
  const { before, limit } = span;
  const ids = await loggedDeliveries(tx, span);
  if (ids.length === 0) return { deleted: 0, cursor: undefined };
  const deliveries = await tx
    .selectFrom("deliveries")
    .select(["id", "state", "ended_at", "attempts"])
    .where("id", "in", ids)
    .orderBy("id")
    .execute();
  const over = deliveries.filter((row) => isTerminal(row.state) && (row.ended_at ?? 0) < before);
  const some = withFewAttempts(over);
  const deleted = await deleteAttemptsOf(tx, some);
  if (some.length < over.length) return { deleted, cursor: some.at(-1) };
  return { deleted, cursor: ids.length < limit ? undefined : ids.at(-1) };
}

async function loggedDeliveries(
  db: Pick<Tx, "selectFrom">,
  { before, cursor, limit }: Span,
): Promise<DeliveryId[]> {
  const rows = await db
    .selectFrom("attempts")
    .select("delivery_id")
    .distinct()
    .where("delivery_id", ">", cursor as DeliveryId)
    .where("delivery_id", "<", leastDeliveryId(before))
    .orderBy("delivery_id")
    .limit(limit)
    .execute();
  return rows.map((row) => row.delivery_id);
}

async function deleteEvents(store: Store, tx: Tx, span: Span): Promise<RetentionStep> {
  const { before, cursor, limit } = span;
  const old = await eventsBefore(tx, span);
  const ids = old.filter((row) => row.created_at < before).map((row) => row.id);
  const some = await withFewDeliveries(store, tx, ids);
  const { deleted, isAll } = await deleteClosedEvents(store, tx, some, before);
  if (!isAll) return { deleted, cursor };
  if (some.length < ids.length) return { deleted, cursor: some.at(-1) };
  return { deleted, cursor: old.length < limit ? undefined : old.at(-1)?.id };
}

/** Returns the first of these events that have {@link EXAMINED_AT_ONCE} deliveries or fewer; at least one. */
async function withFewDeliveries(store: Store, tx: Tx, ids: readonly EventId[]): Promise<readonly EventId[]> {
  if (ids.length === 0) return [];
  const rows = await tx
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
    .select("event_id")
    .where("event_id", "in", ids)
    .orderBy("event_id")
    .limit(EXAMINED_AT_ONCE)
    .execute();
  const last = rows.at(-1);
  if (last === undefined || rows.length < EXAMINED_AT_ONCE) return ids;
  // The last one may have more than were read.
  return ids.slice(0, Math.max(1, ids.indexOf(last.event_id)));
}

/** Returns events that are roughly as old; their exact times are with them. */
async function eventsBefore(db: Pick<Tx, "selectFrom">, { before, cursor, limit }: Span) {
  return await db
    .selectFrom("events")
    .select(["id", "created_at"])
    .where("id", ">", cursor as EventId)
    .where("id", "<", leastEventId(before + ID_SLACK_MS))
    .orderBy("id")
    .limit(limit)
    .execute();
}

/**
 * Deletes the events whose deliveries all ended before this time and that have no unfinished fan-out, with
 * their deliveries and attempts. A delivery that was parked for months is thus shown as long as any other.
 */
async function deleteClosedEvents(
  store: Store,
  tx: Tx,
  ids: readonly EventId[],
  before: number,
): Promise<{ deleted: number; isAll: boolean }> {
  if (ids.length === 0) return { deleted: 0, isAll: true };
  // Before the open deliveries are read: a resend or a recovery may be creating one.
  await lockEvents(store, tx, ids);
  const open = await tx
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
    .select("event_id")
    .distinct()
    .where("event_id", "in", ids)
    .where((eb) => eb.or([eb("state", "in", OPEN_STATES), eb("ended_at", ">=", before)]))
    .execute();
  const unfinished = await tx.selectFrom("fanouts").select("event_id").where("event_id", "in", ids).execute();
  const kept = new Set([...open, ...unfinished].map((row) => row.event_id));
  const closed = ids.filter((id) => !kept.has(id));
  const { isAll } = await deleteEventsAndDeliveries(store, tx, closed);
  return { deleted: isAll ? closed.length : 0, isAll };
}

/**
 * Deletes events with their deliveries and attempts, and counts the latter two. If there are too many of
 * them, it deletes some deliveries and no event; call it again with the same ids until `isAll`.
 */
export async function deleteEventsAndDeliveries(
  store: Store,
  tx: Tx,
  ids: readonly EventId[],
): Promise<{ isAll: boolean; deliveries: number; attempts: number }> {
  if (ids.length === 0) return { isAll: true, deliveries: 0, attempts: 0 };
  const rows = await tx
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
    .select(["id", "attempts"])
    .where("event_id", "in", ids)
    .limit(DELIVERIES_AT_ONCE)
    .execute();
  const some = withFewAttempts(rows);
  // The deliveries first: this waits for an attempt that is being recorded, which would else outlive them.
  if (some.length > 0) await tx.deleteFrom("deliveries").where("id", "in", some).execute();
  const attempts = await deleteAttemptsOf(tx, some);
  const isAll = some.length === rows.length && rows.length < DELIVERIES_AT_ONCE;
  if (isAll) {
    await deleteKeyHashes(tx, ids);
    await tx.deleteFrom("events").where("id", "in", ids).execute();
  }
  return { isAll, deliveries: some.length, attempts };
}

/** Events whose keys are deleted in one statement: each has 8 at most. */
const KEYED_AT_ONCE = 125;

/** Deletes what events are found by. */
async function deleteKeyHashes(tx: Tx, ids: readonly EventId[]): Promise<void> {
  for (let from = 0; from < ids.length; from += KEYED_AT_ONCE) {
    const some = ids.slice(from, from + KEYED_AT_ONCE);
    await tx.deleteFrom("event_keys").where("event_id", "in", some).execute();
  }
}

/** Returns the first of these deliveries, as many as have about {@link ATTEMPTS_AT_ONCE} attempts. */
function withFewAttempts(rows: readonly { id: DeliveryId; attempts: number }[]): DeliveryId[] {
  const some: DeliveryId[] = [];
  let attempts = 0;
  for (const row of rows) {
    if (attempts >= ATTEMPTS_AT_ONCE) break;
    some.push(row.id);
    attempts += row.attempts;
  }
  return some;
}

async function deleteAttemptsOf(tx: Tx, ids: readonly DeliveryId[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { numDeletedRows } = await tx
    .deleteFrom("attempts")
    .where("delivery_id", "in", ids)
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}

/**
 * Deletes changes by whole batches, so that it is clear which cursors are too old. A batch that is not
 * counted yet stays. It goes when its counters would go, so that the log is bounded even if counting fails.
 *
 * A batch from the future was numbered while the clock was wrong, and says nothing about its age. It is
 * passed by, and goes after the first later batch that has reached its age.
 */
async function deleteChanges(_store: Store, tx: Tx, { before, now, cursor }: Span): Promise<RetentionStep> {
  const { oldest_batch: gone } = await tx
    .selectFrom("change_counter")
    .select("oldest_batch")
    .where("id", "=", COUNTER)
    .executeTakeFirstOrThrow();
  const { batch } = await tx
    .selectFrom("delivery_changes")
    .select((eb) => eb.fn.min("batch").as("batch"))
    .where("batch", ">", passedBatch(cursor))
    .executeTakeFirstOrThrow();
  if (batch === null) return { deleted: 0, cursor: undefined };
  const last = await tx
    .selectFrom("delivery_changes")
    .select((eb) => [eb.fn.max("id").as("id"), eb.fn.max("changed_at").as("changed_at")])
    .where("batch", "=", Number(batch))
    .executeTakeFirstOrThrow();
  const newestAt = Number(last.changed_at);
  const isOld = newestAt < before || Number(batch) < gone;
  if (!isOld) return { deleted: 0, cursor: newestAt > now ? String(batch) : undefined };
  const isCounted = await areCounted(tx, { batch: Number(batch), id: Number(last.id) });
  if (!isCounted && newestAt >= before - COUNTS_KEPT_MS) {
    return { deleted: 0, cursor: undefined, uncountedSince: newestAt };
  }
  const { numDeletedRows } = await tx
    .deleteFrom("delivery_changes")
    .where("batch", "=", Number(batch))
    .executeTakeFirstOrThrow();
  await tx
    .updateTable("change_counter")
    .set({ oldest_batch: Math.max(gone, Number(batch)) })
    .where("id", "=", COUNTER)
    .execute();
  return { deleted: Number(numDeletedRows), cursor: MORE_CHANGES };
}

/** The cursor after a deletion: batches that were passed by before may go now. */
const MORE_CHANGES = "more";

/** Returns the last batch that this run has passed by; 0: none. */
function passedBatch(cursor: string): number {
  return cursor === "" || cursor === MORE_CHANGES ? 0 : Number(cursor);
}

/**
 * Deletes event types that subscriptions no longer want. A fan-out matches as of its ingest, so of its
 * account, what was removed after the oldest unfinished one stays, and is passed by. One that begins now
 * needs nothing that has an age.
 */
async function deleteRemovedEventTypes(
  store: Store,
  tx: Tx,
  { before, cursor, limit }: Span,
): Promise<RetentionStep> {
  const [afterAt = 0, afterId = 0] = cursor === "" ? [] : cursor.split(" ").map(Number);
  const rows = await tx
    .selectFrom(byIndex(store, "subscription_event_types", "subscription_event_types_removed"))
    .select(["id", "account_id", "removed_at"])
    .where("removed_at", "<", before)
    .where("removed_at", ">=", afterAt)
    .where((eb) => eb.or([eb("removed_at", ">", afterAt), eb("id", ">", afterId)]))
    .orderBy("removed_at")
    .orderBy("id")
    .limit(limit)
    .execute();
  const neededSince = await oldestFanouts(tx, [...new Set(rows.map((row) => row.account_id))]);
  const isNeeded = ({ account_id: id, removed_at: at }: (typeof rows)[number]) =>
    (at ?? Number.POSITIVE_INFINITY) >= (neededSince.get(id) ?? Number.POSITIVE_INFINITY) - ID_SLACK_MS;
  const ids = rows.filter((row) => !isNeeded(row)).map((row) => row.id);
  if (ids.length > 0) await tx.deleteFrom("subscription_event_types").where("id", "in", ids).execute();
  const last = rows.at(-1);
  const isOver = last === undefined || rows.length < limit;
  return { deleted: ids.length, cursor: isOver ? undefined : `${last.removed_at} ${last.id}` };
}

/** Returns the time of the ingest of each account's oldest unfinished fan-out, if it has one. */
async function oldestFanouts(tx: Tx, accounts: readonly AccountId[]): Promise<Map<AccountId, number>> {
  if (accounts.length === 0) return new Map();
  const rows = await tx
    .selectFrom("fanouts")
    .select(["account_id", "as_of_at"])
    // The ids of events begin with their time, and differ from `as_of_at` by no more than clocks do.
    .where("event_id", "in", (eb) =>
      eb
        .selectFrom("fanouts as of_account")
        .select((min) => min.fn.min("of_account.event_id").as("event_id"))
        .where("of_account.account_id", "in", accounts)
        .groupBy("of_account.account_id"),
    )
    .execute();
  return new Map(rows.map((row) => [row.account_id, row.as_of_at]));
}
