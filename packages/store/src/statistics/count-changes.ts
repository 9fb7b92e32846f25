import {
  type AccountId,
  CREATION_CAUSES,
  type CreationCause,
  DAY_MS,
  type DeliveryEvent,
  type DeliveryState,
  HOUR_MS,
  type Outcome,
} from "@posthaste/domain";
import { sql } from "kysely";
import { byIndex } from "../database/by-index.ts";
import { deleteFirst } from "../database/delete-first.ts";
import { endsTransaction } from "../database/in-parts.ts";
import { lockRows } from "../database/lock-rows.ts";
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
 * The counters of `statistics` follow the log of changes. The worker reads the changes after a cursor in
 * their order, adds them to the counters, and moves the cursor in the same transaction. Each change is
 * therefore counted once, whatever crashes, and neither ingest nor an attempt pays for it. A change names its
 * cause, so no other table is read.
 */

const CURSOR = 1;
/** Maximum changes counted in one transaction. */
const COUNTED_AT_ONCE = 500;
/** Maximum rows of each span deleted in one call: every account may have one for each minute. */
const FORGOTTEN_AT_ONCE = 500;
/** How long each span's counters are kept: a little longer than they are shown. */
const KEPT_MS: Readonly<Record<SpanMs, number>> = { 60000: 2 * HOUR_MS, 900000: 31 * DAY_MS };
/** A change that is older than this need not be counted: its counters would be deleted at once. */
export const COUNTS_KEPT_MS = Math.max(...Object.values(KEPT_MS));

type Change = {
  readonly id: number;
  readonly batch: number | null;
  readonly account_id: AccountId;
  readonly cause: CreationCause | DeliveryEvent;
  readonly state: DeliveryState;
  readonly attempt_ms: number | null;
  readonly last_outcome: Outcome | null;
  readonly changed_at: number;
};

/** Counters that cannot be written, and why. */
export type Uncounted = { readonly accountId: AccountId; readonly fromAt: number; readonly error: unknown };

/**
 * Counts the next changes. If an account's counters cannot be read or written, its changes are left out of
 * them for good, so that the changes of all others are counted.
 *
 * @param onUncounted called with the counters that were left out, if any
 * @returns how many changes were read
 */
export async function countChanges(
  store: Store,
  onUncounted: (uncounted: readonly Uncounted[]) => void = () => {},
): Promise<number> {
  const { count, uncounted } = await countNext(store);
  if (uncounted.length > 0) onUncounted(uncounted);
  return count;
}

/** Returns whether the changes up to this one, in their order, have been counted. */
export async function areCounted(
  tx: Tx,
  upTo: { readonly batch: number; readonly id: number },
): Promise<boolean> {
  const cursor = await tx
    .selectFrom("statistics_cursor")
    .select(["batch", "change_id"])
    .where("id", "=", CURSOR)
    .executeTakeFirstOrThrow();
  return cursor.batch > upTo.batch || (cursor.batch === upTo.batch && cursor.change_id >= upTo.id);
}

/** Lets nobody count until the transaction ends: what is being counted is finished first. */
export async function lockCounting(store: Store, tx: Tx) {
  const query = tx.selectFrom("statistics_cursor").selectAll().where("id", "=", CURSOR);
  return await lockRows(store, query).executeTakeFirstOrThrow();
}

async function countNext(store: Store): Promise<{ count: number; uncounted: Uncounted[] }> {
  return await transact(store, async (tx) => {
    const after = await lockCounting(store, tx);
    const changes = await changesAfter(store, tx, after.batch, after.change_id);
    const last = changes.at(-1);
    const uncounted: Uncounted[] = [];
    if (last === undefined) return { count: 0, uncounted };
    for (const counted of countedBySpan(changes)) {
      const error = await addOrError(store, tx, counted);
      if (error !== undefined)
        uncounted.push({ accountId: counted.accountId, fromAt: counted.fromAt, error });
    }
    await tx
      .updateTable("statistics_cursor")
      .set({ batch: last.batch ?? after.batch, change_id: last.id })
      .where("id", "=", CURSOR)
      .execute();
    return { count: changes.length, uncounted };
  });
}

/**
 * Adds to one row of counters.
 *
 * @returns the error if that fails: each statement is one write, so a failed one leaves nothing behind
 * @throws the error if the transaction has failed with it
 */
async function addOrError(store: Store, tx: Tx, counted: Counted): Promise<unknown> {
  try {
    await add(tx, counted);
    return undefined;
  } catch (error) {
    if (endsTransaction(store, error)) throw error;
    return error;
  }
}

/**
 * Deletes some of the counters that are too old to be shown.
 *
 * @returns how many were deleted; 0: none is too old
 */
export async function forgetOldCounts(store: Store, now: number): Promise<number> {
  let deleted = 0;
  for (const spanMs of SPANS_MS) {
    const where = sql`span_ms = ${spanMs} and from_at < ${now - KEPT_MS[spanMs]}`;
    const old = { table: "statistics", where, orderBy: "from_at", limit: FORGOTTEN_AT_ONCE } as const;
    deleted += await deleteFirst(store, store.db, old);
  }
  return deleted;
}

async function changesAfter(store: Store, tx: Tx, batch: number, id: number): Promise<Change[]> {
  return await tx
    .selectFrom(byIndex(store, "delivery_changes", "delivery_changes_by_batch"))
    .select(["id", "batch", "account_id", "cause", "state", "attempt_ms", "last_outcome", "changed_at"])
    .where("batch", ">=", batch)
    .where((eb) => eb.or([eb("batch", ">", batch), eb("id", ">", id)]))
    .orderBy("batch")
    .orderBy("id")
    .limit(COUNTED_AT_ONCE)
    .execute();
}

type Counted = { accountId: AccountId; spanMs: SpanMs; fromAt: number; counts: Counts };

function countedBySpan(changes: readonly Change[]): Iterable<Counted> {
  const counted = new Map<string, Counted>();
  for (const change of changes) {
    const counts = countsOfChange(change);
    for (const spanMs of SPANS_MS) {
      const fromAt = Math.floor(change.changed_at / spanMs) * spanMs;
      const key = `${change.account_id} ${spanMs} ${fromAt}`;
      const before = counted.get(key)?.counts ?? NO_COUNTS;
      counted.set(key, { accountId: change.account_id, spanMs, fromAt, counts: addCounts(before, counts) });
    }
  }
  return counted.values();
}

const CREATED: ReadonlySet<string> = new Set(CREATION_CAUSES);

function countsOfChange({ cause, state, attempt_ms: tookMs, last_outcome: outcome }: Change): Counts {
  // A delivery that was cancelled during its attempt stays cancelled: the attempt counts, the delivery does
  // not.
  const hasEnded = tookMs !== null;
  return {
    events: cause === "ingested" || cause === "tested" ? 1 : 0,
    deliveries: CREATED.has(cause) ? 1 : 0,
    succeeded: hasEnded && state === "succeeded" ? 1 : 0,
    failed: hasEnded && (state === "exhausted" || state === "blocked") ? 1 : 0,
    attempts: tookMs === null ? 0 : 1,
    accepted: tookMs !== null && outcome === "accepted" ? 1 : 0,
    took: tookMs === null ? NO_COUNTS.took : tookOf(tookMs),
  };
}

/**
 * Adds to one row of counters. No other process writes it, because the transaction holds the cursor's lock.
 */
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
  const bucket = TOOK_UP_TO_MS.findIndex((upTo) => durationMs <= upTo);
  return NO_COUNTS.took.map((_zero, i) => (i === (bucket < 0 ? TOOK_UP_TO_MS.length : bucket) ? 1 : 0));
}
