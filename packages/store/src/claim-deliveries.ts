import type { DeliveryId, SubscriptionId } from "@posthaste/domain";
import { RECONCILE_GRACE_MS } from "./overdue.ts";
import type { Store } from "./store.ts";
import { type Tx, transact } from "./transact.ts";

export type ClaimedDelivery = {
  readonly deliveryId: DeliveryId;
  readonly eventType: string;
  readonly targetUrl: string;
};

export type Claim = {
  /** Names the claimer in the lease. */
  readonly owner: string;
  /** Claims at most. */
  readonly limit: number;
  /** First attempts of one subscription claimed or under way at once, at most. */
  readonly inFlightMax: number;
  /** After this the claim is void, and another may claim the row. */
  readonly leaseMs: number;
  readonly now: number;
  /** Go on after this subscription, so that all get their turn. */
  readonly afterSubscription?: SubscriptionId;
};

/** Subscriptions visited in one call at most: with many that wait, a call stays short and the next goes on. */
const SUBSCRIPTIONS_AT_ONCE = 64;

/**
 * Claims pending deliveries under a lease, fairly: subscription by subscription, the oldest few of each, so that one
 * with a huge backlog, or one that hangs, never hides another. Two claimers never get the same row. The bound on what
 * is under way is read before it is claimed, so with N claimers it may be passed by their simultaneous claims.
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
  { owner, inFlightMax, leaseMs, now }: Claim,
  limit: number,
): Promise<ClaimedDelivery[]> {
  return await transact(store, async (tx) => {
    const room = inFlightMax - (await inFlight(tx, subscriptionId, now));
    if (room <= 0) return [];
    const oldest = tx
      .selectFrom("deliveries")
      .select(["id", "event_type"])
      .where("state", "=", "pending")
      .where("subscription_id", "=", subscriptionId)
      .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", "<", now)]))
      .orderBy("id")
      .limit(Math.min(room, limit));
    const rows = await (store.seam.locksRows ? oldest.forUpdate().skipLocked() : oldest).execute();
    if (rows.length === 0) return [];
    await tx
      .updateTable("deliveries")
      .set({ lease_owner: owner, lease_until: now + leaseMs, in_flight_of: subscriptionId })
      .where(
        "id",
        "in",
        rows.map((row) => row.id),
      )
      .execute();
    const { target_url: targetUrl } = await tx
      .selectFrom("subscriptions")
      .select("target_url")
      .where("id", "=", subscriptionId)
      .executeTakeFirstOrThrow();
    return rows.map((row) => ({ deliveryId: row.id as DeliveryId, eventType: row.event_type, targetUrl }));
  });
}

/** What is claimed or under way. A lease that ran out does not count, or a crashed claimer would take room for ever. */
async function inFlight(tx: Tx, subscriptionId: SubscriptionId, now: number): Promise<number> {
  const { count } = await tx
    .selectFrom("deliveries")
    .select((eb) => eb.fn.countAll().as("count"))
    .where("in_flight_of", "=", subscriptionId)
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", ">=", now)]))
    .executeTakeFirstOrThrow();
  return Number(count);
}
