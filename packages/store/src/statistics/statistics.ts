import type { AccountId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { decodeTime } from "ulid";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";

/** The counters of a span of time. */
export type Counts = {
  readonly events: number;
  readonly deliveries: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly attempts: number;
  readonly accepted: number;
  /**
   * A histogram of durations: attempts that took at most each bound of {@link TOOK_UP_TO_MS} and longer than
   * the bound before, then the attempts that took longer than all bounds.
   */
  readonly took: readonly number[];
};

/**
 * Upper bounds of the histogram. Close enough to tell a receiver that takes half a second from one that takes
 * three; an attempt takes at most 30 s.
 */
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

/**
 * Returns the duration within which this share of the attempts ended, estimated from the histogram.
 *
 * @param share from 0 to 1; 0.5 gives the median
 * @returns milliseconds; null if there are no attempts
 */
export function quantileMs({ took }: Counts, share: number): number | null {
  const all = took.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let left = share * all;
  for (const [i, count] of took.entries()) {
    const from = TOOK_UP_TO_MS[i - 1] ?? 0;
    const to = TOOK_UP_TO_MS[i] ?? from;
    // Interpolates as if the attempts were spread evenly between the bounds.
    if (left <= count) return Math.round(from + (to - from) * (count === 0 ? 1 : left / count));
    left -= count;
  }
  return TOOK_UP_TO_MS.at(-1) ?? null;
}

/**
 * Returns an account's counters since a time, oldest first, summed into buckets that begin at multiples of
 * `bucketMs`. Reads one row for each span in that time.
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

/** An overview of an account's deliveries that wait. */
export type AccountBacklog = {
  /** Each count stops at {@link COUNTED_MAX}. */
  readonly pending: number;
  readonly started: number;
  readonly parked: number;
  /** When the oldest pending delivery was created; null: none is pending. */
  readonly oldestPendingAt: number | null;
};

/** Counting reads an index entry per delivery, and beyond this the exact number says no more. */
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
  // Ids begin with the time of their creation.
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
