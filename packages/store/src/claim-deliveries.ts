import {
  type AccountId,
  after,
  type DeliveryId,
  type EventId,
  endMs,
  type Pace,
  type SubscriptionId,
  turnsNow,
} from "@posthaste/domain";
import { logChanges } from "./delivery-changes.ts";
import { RECONCILE_GRACE_MS } from "./overdue.ts";
import { parkPending } from "./park-deliveries.ts";
import type { Store } from "./store.ts";
import { transact } from "./transact.ts";
import { inFlight, lockTurns, ownPaceOf, PACE_COLUMNS, writeTurns } from "./turns.ts";

export type ClaimedDelivery = {
  readonly deliveryId: DeliveryId;
  readonly accountId: AccountId;
  readonly subscriptionId: SubscriptionId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly targetUrl: string;
  /** Of its ingest; null where that was not traced. */
  readonly traceparent: string | null;
};

export type Claim = {
  /** Names the claimer in the lease. */
  readonly owner: string;
  /** Claims at most. */
  readonly limit: number;
  /** Attempts of one subscription claimed or under way at once, where its owner chose no number. */
  readonly inFlightMax: number;
  /** First attempts in a second of a subscription that is being drained, at most. Default: {@link DRAIN_PER_SECOND}. */
  readonly drainPerSecond?: number;
  /** After this the claim is void, and another may claim the row. */
  readonly leaseMs: number;
  readonly now: number;
  /** Go on after this subscription, so that all get their turn. */
  readonly afterSubscription?: SubscriptionId;
};

/** A receiver that was away is not to be flooded when it is back. */
export const DRAIN_PER_SECOND = 50;
/** Subscriptions visited in one call at most: with many that wait, a call stays short and the next goes on. */
const SUBSCRIPTIONS_AT_ONCE = 64;

/**
 * Claims pending deliveries under a lease, fairly: subscription by subscription, the oldest few of each, so that one
 * with a huge backlog, or one that hangs, never hides another. Two claimers never get the same row, and together they
 * keep to a subscription's rate and concurrency. What is pending of a paused or disabled one is parked.
 */
export async function claimDeliveries(
  store: Store,
  claim: Claim,
): Promise<{ claimed: ClaimedDelivery[]; lastSubscription: SubscriptionId | undefined }> {
  const claimed: ClaimedDelivery[] = [];
  const start = claim.afterSubscription ?? 0;
  let cursor: number = start;
  let wrapped = start === 0;
  for (let visited = 0; visited < SUBSCRIPTIONS_AT_ONCE && claimed.length < claim.limit; visited++) {
    const next = await nextWithPending(store, cursor);
    if (next === undefined || (wrapped && start > 0 && next > start)) {
      if (wrapped) break;
      wrapped = true;
      cursor = 0;
      continue;
    }
    claimed.push(...(await claimOf(store, next, claim, claim.limit - claimed.length)));
    cursor = next;
  }
  return { claimed, lastSubscription: cursor === 0 ? undefined : (cursor as SubscriptionId) };
}

/** The workflows were started: pending → started. Rows that have moved on meanwhile stay as they are. */
export async function markStarted(
  store: Store,
  { ids, now }: { ids: readonly DeliveryId[]; now: number },
): Promise<void> {
  if (ids.length === 0) return;
  await transact(store, async (tx) => {
    await tx
      .updateTable("deliveries")
      .set({
        state: "started",
        started_at: now,
        lease_owner: null,
        lease_until: null,
        reconcile_after: now + RECONCILE_GRACE_MS,
      })
      .where("id", "in", ids)
      .where("state", "=", "pending")
      .execute();
    await logChanges(tx, ids, now);
  });
}

/** The workflows could not be started: anyone may claim the rows again. */
export async function releaseClaims(store: Store, { ids }: { ids: readonly DeliveryId[] }): Promise<void> {
  if (ids.length === 0) return;
  await transact(store, async (tx) => {
    await tx
      .updateTable("deliveries")
      .set({ lease_owner: null, lease_until: null, in_flight_of: null })
      .where("id", "in", ids)
      .where("state", "=", "pending")
      .execute();
  });
}

/** Jumps along the index from one subscription to the next, however many rows each has. */
async function nextWithPending(store: Store, after: number): Promise<SubscriptionId | undefined> {
  const { next } = await store.db
    .selectFrom("deliveries")
    .select((eb) => eb.fn.min("subscription_id").as("next"))
    .where("state", "=", "pending")
    .where("subscription_id", ">", after)
    .executeTakeFirstOrThrow();
  return next === null ? undefined : (Number(next) as SubscriptionId);
}

async function claimOf(
  store: Store,
  subscriptionId: SubscriptionId,
  claim: Claim,
  limit: number,
): Promise<ClaimedDelivery[]> {
  const { owner, leaseMs, now } = claim;
  return await transact(store, async (tx) => {
    const subscription = await tx
      .selectFrom("subscriptions")
      .select(["state", "target_url", "draining", ...PACE_COLUMNS])
      .where("id", "=", subscriptionId)
      .executeTakeFirstOrThrow();
    const turns = await lockTurns(store, tx, subscriptionId);
    if (subscription.state === "paused" || subscription.state === "disabled") {
      await parkPending(tx, subscriptionId, now);
    }
    const pace = paceOfFirsts(ownPaceOf(subscription, claim.inFlightMax), subscription.draining === 1, claim);
    // Retries that stand in line get at least half of the places.
    const retriesWait = pace.rate === null && endMs(turns.line) > now;
    const places = retriesWait ? Math.ceil(pace.concurrency / 2) : pace.concurrency;
    const room = Math.min(
      limit,
      places - (await inFlight(tx, subscriptionId, now)),
      pace.rate === null ? limit : turnsNow(turns.line, pace.rate, now),
    );
    if (room <= 0) return [];
    const oldest = tx
      .selectFrom("deliveries")
      .select(["id", "account_id", "event_id", "event_type", "traceparent"])
      .where("state", "=", "pending")
      .where("subscription_id", "=", subscriptionId)
      .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", "<", now)]))
      .orderBy("id")
      .limit(room);
    const rows = await (store.seam.locksRows ? oldest.forUpdate().skipLocked() : oldest).execute();
    if (rows.length === 0) return [];
    await tx
      .updateTable("deliveries")
      .set({ lease_owner: owner, lease_until: now + leaseMs, in_flight_of: subscriptionId, turn_at: null })
      .where(
        "id",
        "in",
        rows.map((row) => row.id),
      )
      .execute();
    if (pace.rate !== null) {
      const line = after(turns.line, pace.rate, now, rows.length);
      await writeTurns(tx, subscriptionId, { line, gate: turns.gate });
    }
    return rows.map((row) => ({
      deliveryId: row.id as DeliveryId,
      accountId: row.account_id as AccountId,
      subscriptionId,
      eventId: row.event_id as EventId,
      eventType: row.event_type,
      targetUrl: subscription.target_url,
      traceparent: row.traceparent,
    }));
  });
}

/** While parked deliveries are drained, one first attempt at a time keeps them in the order of their ingest. */
function paceOfFirsts(own: Pace, isDraining: boolean, { drainPerSecond = DRAIN_PER_SECOND }: Claim): Pace {
  if (!isDraining) return own;
  const rate =
    own.rate !== null && own.rate.perSecond <= drainPerSecond
      ? own.rate
      : { perSecond: drainPerSecond, burst: 1 };
  return { rate, concurrency: 1 };
}
