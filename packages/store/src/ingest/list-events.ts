import type { AccountId, EventId } from "@posthaste/domain";
import { type SelectQueryBuilder, sql } from "kysely";
import { byIndex, byPrimaryKey } from "../database/by-index.ts";
import { ID_SLACK_MS, leastEventId, sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { StoredEvent } from "./events.ts";

/** An event without its snapshot. */
export type EventSummary = Omit<StoredEvent, "data" | "idempotencyKey"> & {
  /** The snapshot's size. */
  readonly dataBytes: number;
};

export type EventFilter = {
  readonly accountId: AccountId;
  readonly eventType?: string;
  /** Inclusive. */
  readonly createdFrom?: number;
  /** Exclusive. */
  readonly createdBefore?: number;
  /** Hashes of a value, as `hashKeyValues` makes them: a key of the event must have one of them. */
  readonly keyHashes?: readonly Buffer[];
  readonly idempotencyKey?: string;
  readonly before?: EventId;
  readonly limit: number;
  /** How many events are examined. Default: {@link EXAMINED_MAX}. */
  readonly examinedMax?: number;
};

/**
 * How many events are examined one by one, because no index has what the filter asks for: an event's exact
 * time, and the type of an event with a key's value. To read this many takes some ten milliseconds.
 */
const EXAMINED_MAX = 10_000;

/**
 * Returns an account's events before `before`, newest first, by any combination of filters.
 *
 * @returns `examinedTo`: the search stopped at this event with fewer than `limit` found; continue before it
 */
export async function listEvents(
  store: Store,
  filter: EventFilter,
): Promise<{ rows: EventSummary[]; examinedTo: EventId | undefined }> {
  const max = isExamined(filter) ? (filter.examinedMax ?? EXAMINED_MAX) : filter.limit;
  const ids = await matching(store, filter, max).execute();
  const rows = await summariesOf(
    store,
    ids.map(({ id }) => id),
  );
  if (ids.length === filter.limit) return { rows, examinedTo: undefined };
  const last = store.db.selectFrom(candidates(store, filter, max).as("candidates")).select("id");
  const end = await last
    .orderBy("id", "desc")
    .limit(1)
    .offset(max - 1)
    .executeTakeFirst();
  return { rows, examinedTo: end?.id };
}

/** Returns whether some events that an index leads to may not match. */
function isExamined({ eventType, createdFrom, createdBefore, ...one }: EventFilter): boolean {
  const isByType = one.keyHashes === undefined && one.idempotencyKey === undefined;
  return createdFrom !== undefined || createdBefore !== undefined || (eventType !== undefined && !isByType);
}

/** Searches the first `max` candidates. They are joined in their order, so the search ends when it can. */
function matching(store: Store, filter: EventFilter, max: number) {
  const { accountId, eventType, createdFrom, createdBefore, keyHashes, idempotencyKey, limit } = filter;
  let query = store.db
    .selectFrom(candidates(store, filter, max).as("candidates"))
    .innerJoin("events", (join) => join.onRef("events.id", "=", "candidates.id"))
    .select("events.id")
    .where("events.account_id", "=", accountId)
    .orderBy("candidates.id", "desc")
    .limit(limit);
  if (eventType !== undefined) query = query.where("events.event_type", "=", eventType);
  if (createdFrom !== undefined) query = query.where("events.created_at", ">=", createdFrom);
  if (createdBefore !== undefined) query = query.where("events.created_at", "<", createdBefore);
  if (idempotencyKey !== undefined && keyHashes !== undefined) {
    query = query.where(({ exists, selectFrom }) =>
      exists(
        selectFrom("event_keys")
          .select("event_keys.event_id")
          .where("event_keys.account_id", "=", accountId)
          .where("event_keys.value_hash", "in", keyHashes)
          .whereRef("event_keys.event_id", "=", "events.id"),
      ),
    );
  }
  return query;
}

type Candidates = SelectQueryBuilder<Tables, never, { id: EventId }>;

/** Returns a query for the ids that the best index of a filter leads to, newest first. */
function candidates(store: Store, filter: EventFilter, max: number): Candidates {
  const { idempotencyKey, keyHashes } = filter;
  if (idempotencyKey !== undefined) return byIdempotencyKey(store, filter, idempotencyKey) as Candidates;
  if (keyHashes !== undefined) return byKey(store, filter, keyHashes, max) as Candidates;
  return byTypeOrTime(store, filter, max) as Candidates;
}

function byIdempotencyKey(store: Store, filter: EventFilter, key: string) {
  return store.db
    .selectFrom(byPrimaryKey(store, "idempotency_keys"))
    .select("event_id as id")
    .where("account_id", "=", filter.accountId)
    .where("key_hash", "=", sha256(key))
    .where(within("event_id", filter));
}

/** Joins the ranges of the hashes: as each is in the order of its ids, the newest of all are among them. */
function byKey(store: Store, filter: EventFilter, hashes: readonly Buffer[], max: number) {
  const { db } = store;
  const [first, ...others] = hashes.map((hash) => {
    const range = db
      .selectFrom(byPrimaryKey(store, "event_keys"))
      .select("event_id as id")
      .where("account_id", "=", filter.accountId)
      .where("value_hash", "=", hash)
      .where(within("event_id", filter))
      .orderBy("event_id", "desc")
      .limit(max);
    // SQLite takes a limit in a part of a union only like this.
    return db.selectFrom(range.as("range")).select("range.id");
  });
  if (first === undefined) throw new Error("a value has no hash");
  const all = others.reduce((union, range) => union.union(range), first);
  return db.selectFrom(all.as("ranges")).select("ranges.id").orderBy("ranges.id", "desc").limit(max);
}

function byTypeOrTime(store: Store, filter: EventFilter, max: number) {
  const { accountId, eventType } = filter;
  const index = eventType === undefined ? "events_by_account" : "events_by_type";
  let query = store.db.selectFrom(byIndex(store, "events", index)).select("id");
  query = query.where("account_id", "=", accountId);
  if (eventType !== undefined) query = query.where("event_type", "=", eventType);
  return query.where(within("id", filter)).orderBy("id", "desc").limit(max);
}

/** Ids begin with the time of their creation, so a range of times is a range of an index. */
function within(column: "id" | "event_id", { before, createdFrom, createdBefore }: EventFilter) {
  const bounds = [
    ...(before === undefined ? [] : [sql<boolean>`${sql.ref(column)} < ${before}`]),
    ...(createdFrom === undefined ? [] : [sql<boolean>`${sql.ref(column)} >= ${leastEventId(createdFrom)}`]),
    ...(createdBefore === undefined
      ? []
      : [sql<boolean>`${sql.ref(column)} < ${leastEventId(createdBefore + ID_SLACK_MS)}`]),
  ];
  return bounds.length === 0 ? sql<boolean>`1 = 1` : sql<boolean>`${sql.join(bounds, sql` and `)}`;
}

/**
 * Returns events by their ids, newest first. A statement of its own: MySQL reads a whole snapshot to tell its
 * size, and a search would read those of all events that it examines.
 */
async function summariesOf({ db }: Store, ids: readonly EventId[]): Promise<EventSummary[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom("events")
    .select(["id", "event_type", "created_at", sql<number>`length(data)`.as("bytes")])
    .where("id", "in", ids)
    .orderBy("id", "desc")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    eventType: row.event_type,
    createdAt: row.created_at,
    dataBytes: Number(row.bytes),
  }));
}
