import type { DeliveryState, Outcome } from "@posthaste/domain";
import { decodeTime } from "ulid";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import {
  addCounts,
  type Counts,
  countsOf,
  NO_COUNTS,
  SPANS_MS,
  type SpanMs,
  TOOK_UP_TO_MS,
} from "./statistics.ts";

/*
 * The counters of `statistics` follow the log of changes, as everybody else may: the worker reads the changes after a
 * cursor in their order, adds what they say to the counters, and moves the cursor in the same transaction. So each is
 * counted once, whatever crashes, and neither ingest nor an attempt pays for it.
 *
 * A change says which state a delivery came to, not why. What made it is told by time: a delivery was made, or an attempt of
 * it ended, if that was the moment of the change. A delivery that within a second of that is parked and let go again is
 * counted twice; nothing is left out.
 */

const CURSOR = 1;
/** Changes counted in one transaction. */
const COUNTED_AT_ONCE = 500;
/** Between what a change tells of and its own time lies what the process did in between. */
const MOMENT_MS = 1_000;
/** A delivery made so long after its event is a resend, or a replay's. */
const FAN_OUT_MS = 60_000;
/** How long each span's counters are kept: a little longer than anybody is shown. */
const KEPT_MS: Readonly<Record<SpanMs, number>> = { 60000: 2 * 3_600_000, 900000: 31 * 24 * 3_600_000 };
const ID_PREFIX_CHARS = 4;

type Change = {
  id: number;
  batch: number | null;
  account_id: number;
  delivery_id: string;
  event_id: string;
  state: DeliveryState;
  attempts: number;
  changed_at: number;
};
type Tried = {
  delivery_id: string;
  number: number;
  started_at: number;
  duration_ms: number;
  outcome: Outcome;
};

/** @returns how many changes were counted */
export async function countChanges(store: Store): Promise<number> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("statistics_cursor").selectAll().where("id", "=", CURSOR);
    const after = await (store.seam.locksRows ? query.forUpdate() : query).executeTakeFirstOrThrow();
    const changes = await changesAfter(store, tx, after.batch, after.change_id);
    const last = changes.at(-1);
    if (last === undefined) return 0;
    for (const counted of await countedBySpan(tx, changes)) await add(tx, counted);
    await tx
      .updateTable("statistics_cursor")
      .set({ batch: last.batch ?? after.batch, change_id: last.id })
      .where("id", "=", CURSOR)
      .execute();
    return changes.length;
  });
}

/** Deletes counters that nobody is shown any more. */
export async function forgetOldCounts(store: Store, now: number): Promise<void> {
  for (const spanMs of SPANS_MS) {
    await store.db
      .deleteFrom("statistics")
      .where("span_ms", "=", spanMs)
      .where("from_at", "<", now - KEPT_MS[spanMs])
      .execute();
  }
}

async function changesAfter(store: Store, tx: Tx, batch: number, id: number): Promise<Change[]> {
  return await tx
    .selectFrom(byIndex(store, "delivery_changes", "delivery_changes_by_batch"))
    .select(["id", "batch", "account_id", "delivery_id", "event_id", "state", "attempts", "changed_at"])
    .where("batch", ">=", batch)
    .where((eb) => eb.or([eb("batch", ">", batch), eb("id", ">", id)]))
    .orderBy("batch")
    .orderBy("id")
    .limit(COUNTED_AT_ONCE)
    .execute();
}

type Counted = { accountId: number; spanMs: SpanMs; fromAt: number; counts: Counts };

async function countedBySpan(tx: Tx, changes: readonly Change[]): Promise<Iterable<Counted>> {
  const tried = await attemptsOf(tx, changes);
  const counted = new Map<string, Counted>();
  const events = new Set<string>();
  for (const change of changes) {
    const counts = countsOfChange(change, tried, events);
    for (const spanMs of SPANS_MS) {
      const fromAt = Math.floor(change.changed_at / spanMs) * spanMs;
      const key = `${change.account_id} ${spanMs} ${fromAt}`;
      const before = counted.get(key)?.counts ?? NO_COUNTS;
      counted.set(key, { accountId: change.account_id, spanMs, fromAt, counts: addCounts(before, counts) });
    }
  }
  return counted.values();
}

function countsOfChange(change: Change, tried: ReadonlyMap<string, Tried>, events: Set<string>): Counts {
  const madeAt = timeOf(change.delivery_id);
  const isMade =
    change.attempts === 0 &&
    (change.state === "pending" || change.state === "parked") &&
    change.changed_at - madeAt < MOMENT_MS;
  const isNewEvent = isMade && !events.has(change.event_id) && madeAt - timeOf(change.event_id) < FAN_OUT_MS;
  if (isNewEvent) events.add(change.event_id);
  const attempt = tried.get(`${change.delivery_id} ${change.attempts}`);
  const isTried =
    attempt !== undefined &&
    change.state !== "pending" &&
    change.state !== "parked" &&
    Math.abs(change.changed_at - attempt.started_at - attempt.duration_ms) < MOMENT_MS;
  return {
    events: isNewEvent ? 1 : 0,
    deliveries: isMade ? 1 : 0,
    succeeded: change.state === "succeeded" ? 1 : 0,
    failed: change.state === "exhausted" || change.state === "blocked" ? 1 : 0,
    attempts: isTried ? 1 : 0,
    accepted: isTried && attempt.outcome === "accepted" ? 1 : 0,
    took: isTried ? tookOf(attempt.duration_ms) : NO_COUNTS.took,
  };
}

/** The attempts that these changes may tell of, by delivery and number. */
async function attemptsOf(tx: Tx, changes: readonly Change[]): Promise<Map<string, Tried>> {
  const ids = [
    ...new Set(changes.filter(({ attempts }) => attempts > 0).map((change) => change.delivery_id)),
  ];
  if (ids.length === 0) return new Map();
  const rows = await tx
    .selectFrom("attempts")
    .select(["delivery_id", "number", "started_at", "duration_ms", "outcome"])
    .where("delivery_id", "in", ids)
    .execute();
  return new Map(rows.map((row) => [`${row.delivery_id} ${row.number}`, row]));
}

/** Nobody else writes these rows: the cursor's lock is held. */
async function add(tx: Tx, { accountId, spanMs, fromAt, counts }: Counted): Promise<void> {
  const row = await tx
    .selectFrom("statistics")
    .selectAll()
    .where("account_id", "=", accountId)
    .where("span_ms", "=", spanMs)
    .where("from_at", "=", fromAt)
    .executeTakeFirst();
  const { took, ...sums } = row === undefined ? counts : addCounts(countsOf(row), counts);
  const values = { ...sums, took: JSON.stringify(took) };
  if (row === undefined) {
    await tx
      .insertInto("statistics")
      .values({ account_id: accountId, span_ms: spanMs, from_at: fromAt, ...values })
      .execute();
  } else {
    await tx
      .updateTable("statistics")
      .set(values)
      .where("account_id", "=", accountId)
      .where("span_ms", "=", spanMs)
      .where("from_at", "=", fromAt)
      .execute();
  }
}

function tookOf(durationMs: number): number[] {
  const place = TOOK_UP_TO_MS.findIndex((upTo) => durationMs <= upTo);
  return NO_COUNTS.took.map((_zero, i) => (i === (place < 0 ? TOOK_UP_TO_MS.length : place) ? 1 : 0));
}

/** Ids begin with their time. */
function timeOf(id: string): number {
  return decodeTime(id.slice(ID_PREFIX_CHARS).toUpperCase());
}
