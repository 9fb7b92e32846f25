import type { AccountId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { decodeTime } from "ulid";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";

/** What happened in a span of time. */
export type Counts = {
  readonly events: number;
  readonly deliveries: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly attempts: number;
  readonly accepted: number;
  /** How many attempts took at most {@link TOOK_UP_TO_MS} so long, each counted once; the last number are those that took longer. */
  readonly took: readonly number[];
};

/** Near enough to tell a receiver that takes half a second from one that takes three; an attempt has 30 s at most. */
export const TOOK_UP_TO_MS = [
  5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 15_000, 30_000,
] as const;

/** The spans that are counted: minutes for the last hour, quarters of an hour for the last month. */
export const SPANS_MS = [60_000, 900_000] as const;
export type SpanMs = (typeof SPANS_MS)[number];

export const NO_COUNTS: Counts = {
  events: 0,
  deliveries: 0,
  succeeded: 0,
  failed: 0,
  attempts: 0,
  accepted: 0,
  took: TOOK_UP_TO_MS.map(() => 0).concat(0),
};

export function addCounts(one: Counts, other: Counts): Counts {
  return {
    events: one.events + other.events,
    deliveries: one.deliveries + other.deliveries,
    succeeded: one.succeeded + other.succeeded,
    failed: one.failed + other.failed,
    attempts: one.attempts + other.attempts,
    accepted: one.accepted + other.accepted,
    took: one.took.map((count, i) => count + (other.took[i] ?? 0)),
  };
}

/** How long this share of the attempts took at most, about; null where there are none. */
export function quantileMs({ took }: Counts, share: number): number | null {
  const all = took.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let left = share * all;
  for (const [i, count] of took.entries()) {
    const from = TOOK_UP_TO_MS[i - 1] ?? 0;
    const to = TOOK_UP_TO_MS[i] ?? from;
    // As if they were spread evenly.
    if (left <= count) return Math.round(from + (to - from) * (count === 0 ? 1 : left / count));
    left -= count;
  }
  return TOOK_UP_TO_MS.at(-1) ?? null;
}

/**
 * An account's counters from a time on, oldest first, put together to buckets that begin at multiples of `bucketMs`.
 * Reads one row for each span in that time.
 */
export async function readStatistics(
  store: Store,
  input: { accountId: AccountId; spanMs: SpanMs; bucketMs: number; fromAt: number; untilAt: number },
): Promise<{ fromAt: number; counts: Counts }[]> {
  const { accountId, spanMs, bucketMs } = input;
  const first = Math.floor(input.fromAt / bucketMs) * bucketMs;
  const rows = await store.db
    .selectFrom("statistics")
    .selectAll()
    .where("account_id", "=", accountId)
    .where("span_ms", "=", spanMs)
    .where("from_at", ">=", first)
    .where("from_at", "<", input.untilAt)
    .execute();
  const buckets = new Map<number, Counts>();
  for (let fromAt = first; fromAt < input.untilAt; fromAt += bucketMs) buckets.set(fromAt, NO_COUNTS);
  for (const row of rows) {
    const fromAt = Math.floor(row.from_at / bucketMs) * bucketMs;
    buckets.set(fromAt, addCounts(buckets.get(fromAt) ?? NO_COUNTS, countsOf(row)));
  }
  return [...buckets].map(([fromAt, counts]) => ({ fromAt, counts }));
}

/** What of an account waits, at a glance. */
export type AccountBacklog = {
  /** {@link COUNTED_MAX} at most of each. */
  readonly pending: number;
  readonly started: number;
  readonly parked: number;
  /** Since when the oldest pending one waits; null: none does. */
  readonly oldestPendingAt: number | null;
};

/** Counting reads an index; with more than this the exact number says no more. */
const COUNTED_MAX = 10_000;
const ID_PREFIX = "dlv_";

export async function accountBacklog(store: Store, accountId: AccountId): Promise<AccountBacklog> {
  const inState = (state: "pending" | "started" | "parked") =>
    store.db
      .selectFrom(byIndex(store, "deliveries", "deliveries_by_account_state"))
      .select("id")
      .where("account_id", "=", accountId)
      .where("state", "=", state);
  const count = async (state: "pending" | "started" | "parked") => {
    const { counted } = await store.db
      .selectFrom(inState(state).limit(COUNTED_MAX).as("some"))
      .select((eb) => eb.fn.countAll().as("counted"))
      .executeTakeFirstOrThrow();
    return Number(counted);
  };
  // Ids begin with their time.
  const oldest = await inState("pending").orderBy("id").limit(1).executeTakeFirst();
  return {
    pending: await count("pending"),
    started: await count("started"),
    parked: await count("parked"),
    oldestPendingAt:
      oldest === undefined ? null : decodeTime(oldest.id.slice(ID_PREFIX.length).toUpperCase()),
  };
}

export function countsOf(row: Selectable<Tables["statistics"]>): Counts {
  const { events, deliveries, succeeded, failed, attempts, accepted } = row;
  return { events, deliveries, succeeded, failed, attempts, accepted, took: JSON.parse(row.took) };
}
