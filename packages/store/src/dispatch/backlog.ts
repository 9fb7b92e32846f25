import type { DeliveryId, DeliveryState, SubscriptionId } from "@posthaste/domain";
import { laterOf, nextTurnMs } from "@posthaste/domain";
import { type Selectable, sql } from "kysely";
import { decodeTime } from "ulid";
import { byIndex } from "../database/by-index.ts";
import { padded } from "../database/dialect/few-texts.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { RECONCILE_GRACE_MS } from "../deliveries/transitions.ts";
import { rateOf } from "../subscriptions/pace.ts";
import type { Room } from "./claim-rooms.ts";
import { createClaimRotation } from "./claim-rotation.ts";
import { passesInOrder, waitsInOrder } from "./in-order.ts";
import { DEFERRED_MAX_MS } from "./overdue.ts";
import { type Pending, pendingSubscriptions } from "./pending-subscriptions.ts";
import { halfOf, type InFlight, inFlightOf } from "./places.ts";
import { retriesWait } from "./retry-lines.ts";

/** An overview of all deliveries that wait. */
export type Backlog = {
  /** Each count stops at {@link COUNTED_MAX}. */
  readonly pending: number;
  readonly started: number;
  readonly parked: number;
  /** Started deliveries that should have moved two minutes ago, however often the reconciler saw them. */
  readonly overdue: number;
  /**
   * When the oldest pending delivery was created that nothing holds back but Posthaste: neither its
   * subscription's rate, nor its concurrency, nor the drain after a pause, nor the order of a replay. Null:
   * none is pending.
   */
  readonly oldestPendingAt: number | null;
};

/** Counting reads an index entry per delivery, and beyond this the exact number says no more. */
const COUNTED_MAX = 100_000;
/**
 * Started deliveries among which the overdue ones are counted: the next that the reconciler may examine. More
 * than Temporal hands out in the ten minutes for which it defers one, and 0.1 s of reading.
 */
const OVERDUE_AMONG = 100_000;
/**
 * How long the turn of a subscription with a rate has passed until the rate no longer explains why it waits:
 * a hundred rounds of a dispatcher.
 */
const TURN_MISSED_MS = 30_000;
/** Maximum subscriptions examined if the oldest ones are held back; a claim examines as many. */
const EXAMINED_MAX = 4_096;
/** Subscriptions in one statement. */
const AT_ONCE = 64;
const ID_PREFIX = "dlv_";

/** Of when, and how many attempts a subscription may have at once if its owner chose no concurrency. */
export type MeasuredAt = { readonly now: number; readonly inFlightMax: number };

export async function measureBacklog(store: Store, at: MeasuredAt): Promise<Backlog> {
  const some = (state: DeliveryState) =>
    store.db.selectFrom("deliveries").select("id").where("state", "=", state).limit(COUNTED_MAX);
  const count = async (rows: ReturnType<typeof some>) => {
    const { counted } = await store.db
      .selectFrom(rows.as("some"))
      .select((eb) => eb.fn.countAll().as("counted"))
      .executeTakeFirstOrThrow();
    return Number(counted);
  };
  const oldest = await oldestFree(store, at);
  return {
    pending: await count(some("pending")),
    started: await count(some("started")),
    parked: await count(some("parked")),
    overdue: await countOverdue(store, at.now),
    // Ids begin with the time of their creation.
    oldestPendingAt: oldest === null ? null : decodeTime(oldest.slice(ID_PREFIX.length).toUpperCase()),
  };
}

/**
 * Counts the overdue deliveries. `reconcile_after` does not tell them: the reconciler defers what it has
 * examined. It bounds the search, since nothing overdue is deferred for longer than {@link DEFERRED_MAX_MS}.
 */
export async function countOverdue(store: Store, now: number): Promise<number> {
  const next = store.db
    .selectFrom(byIndex(store, "deliveries", "deliveries_overdue"))
    .select(["next_attempt_at", "started_at"])
    .where("state", "=", "started")
    .where("reconcile_after", "<=", now + DEFERRED_MAX_MS)
    .orderBy("reconcile_after")
    .limit(OVERDUE_AMONG);
  const before = now - RECONCILE_GRACE_MS;
  const { counted } = await store.db
    .selectFrom(next.as("next"))
    .select((eb) => eb.fn.countAll().as("counted"))
    .where("next_attempt_at", "<=", before)
    // A first attempt is due since its ingest, however long the delivery was pending.
    .where((eb) => eb.or([eb("started_at", "is", null), eb("started_at", "<=", before)]))
    .executeTakeFirstOrThrow();
  return Number(counted);
}

/**
 * Returns the oldest pending delivery of a subscription that is not held back. Mostly it is the oldest of
 * all.
 */
async function oldestFree(store: Store, at: MeasuredAt): Promise<DeliveryId | null> {
  // Pending deliveries have no `reconcile_after`. Index entries with equal keys are ordered by id, or by
  // insertion.
  const first = await store.db
    .selectFrom(byIndex(store, "deliveries", "deliveries_overdue"))
    .select(["id", "account_id", "subscription_id", "in_order", "attempts"])
    .where("state", "=", "pending")
    .orderBy("reconcile_after")
    .limit(1)
    .executeTakeFirst();
  if (first === undefined) return null;
  const ofFirst = { accountId: first.account_id, id: first.subscription_id };
  const [free] = await freeOf(store, [ofFirst], at);
  if (free !== undefined && !(free.hasOrdered && waitsInOrder(first))) return first.id;
  return await searchOldestFree(store, at);
}

/**
 * Looks at each subscription: one that is held back may have a million deliveries that are older than the
 * wanted one.
 */
export async function searchOldestFree(store: Store, at: MeasuredAt): Promise<DeliveryId | null> {
  let oldest: DeliveryId | null = null;
  let examined = 0;
  for await (const group of pendingSubscriptions(store, createClaimRotation())) {
    const all = [...group].flatMap(([accountId, ids]) => ids.map((id) => ({ accountId, id })));
    for (let from = 0; from < all.length; from += AT_ONCE) {
      const id = await oldestOf(store, await freeOf(store, all.slice(from, from + AT_ONCE), at));
      if (id !== null && (oldest === null || id < oldest)) oldest = id;
    }
    examined += all.length;
    if (examined >= EXAMINED_MAX) break;
  }
  return oldest;
}

/** A subscription of which nothing holds back more than those deliveries that come after others in order. */
type Free = Pending & Pick<Room, "hasOrdered">;

/**
 * Returns those of these subscriptions that neither their rate nor their concurrency nor a drain holds back.
 * The deliveries that it counts are in flight, which all workers together limit.
 */
async function freeOf(store: Store, pending: readonly Pending[], at: MeasuredAt): Promise<Free[]> {
  const ids = pending.map(({ id }) => id);
  const rows = await store.db
    .selectFrom("subscriptions as s")
    .innerJoin("turns as t", "t.subscription_id", "s.id")
    .select(["s.id", "s.draining", "s.rate_per_1000s", "s.rate_burst", "s.concurrency"])
    .select(["t.line_us", "t.gate_us", "t.retry_line_us"])
    .where("s.id", "in", ids)
    .execute();
  // If Posthaste does not make an attempt, it is not the receiver who holds the place.
  const inFlight = await inFlightOf(store.db, ids, at.now, at.now - RECONCILE_GRACE_MS);
  const held = new Set<SubscriptionId>(
    rows.filter((row) => isHeld(row, at) || isFull(row, inFlight(row.id), at)).map(({ id }) => id),
  );
  return pending
    .filter(({ id }) => !held.has(id))
    .map((one) => ({ ...one, hasOrdered: inFlight(one.id).inOrder > 0 }));
}

function isHeld(
  row: Pick<Selectable<Tables["subscriptions"]>, "draining" | "rate_per_1000s" | "rate_burst"> &
    Pick<Selectable<Tables["turns"]>, "line_us" | "gate_us">,
  { now }: MeasuredAt,
): boolean {
  if (row.draining === 1) return true;
  const rate = rateOf(row);
  return rate !== null && nextTurnMs(laterOf(row.line_us, row.gate_us), rate) > now - TURN_MISSED_MS;
}

/** Returns whether attempts under way have all places that a first attempt may take. */
function isFull(
  row: Pick<Selectable<Tables["subscriptions"]>, "concurrency"> &
    Pick<Selectable<Tables["turns"]>, "retry_line_us">,
  { total, firstAttempts }: InFlight,
  { now, inFlightMax }: MeasuredAt,
): boolean {
  const places = row.concurrency ?? inFlightMax;
  if (total >= places) return true;
  return retriesWait({ retryLine: row.retry_line_us }, now) && firstAttempts >= halfOf(places);
}

async function oldestOf(store: Store, pending: readonly Free[]): Promise<DeliveryId | null> {
  if (pending.length === 0) return null;
  const byState = sql.raw(store.seam.byIndex("deliveries_by_state_and_account"));
  const each = padded(pending).map(
    ({ accountId, id, hasOrdered }) => sql`select * from (
      select id from deliveries ${byState}
      where state = 'pending' and account_id = ${accountId} and subscription_id = ${id}
        and ${passesInOrder(hasOrdered)}
      order by id limit 1
    ) as oldest`,
  );
  const { rows } = await sql<{ id: DeliveryId }>`${sql.join(each, sql` union all `)}`.execute(store.db);
  return rows.map(({ id }) => id).sort()[0] ?? null;
}
