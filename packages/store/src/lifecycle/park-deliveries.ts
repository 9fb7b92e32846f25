import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { Refusal } from "@posthaste/domain";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { lockDeliveries, moveAll } from "../deliveries/move.ts";
import { lockSubscription } from "../subscriptions/lock-subscription.ts";
import { getSubscription, type Subscription } from "../subscriptions/subscriptions.ts";

/** Deliveries moved in one transaction, so that a large backlog does not hold locks for long. */
const MOVED_AT_ONCE = 500;
/** Pending deliveries that a drain keeps ahead of the dispatcher; it is filled up when half of them are gone. */
const DRAIN_AHEAD = 32;

/**
 * Pauses a subscription: what is pending is parked, and so is everything that comes; a retry is parked when it is due, and what is
 * claimed when its attempt or its lease is over.
 * Pausing a paused or disabled one changes nothing. Undefined: there is no such subscription.
 *
 * @throws Refusal `wrong_state` for an ended one
 */
export async function pauseSubscription(
  store: Store,
  { accountId, id, now }: { accountId: AccountId; id: SubscriptionId; now: number },
): Promise<Subscription | undefined> {
  const known = await transact(store, async (tx) => {
    const row = await lockSubscription(store, tx, accountId, id);
    if (row === undefined) return false;
    if (row.state === "ended") throw hasEnded(id);
    if (row.state === "active") {
      await tx
        .updateTable("subscriptions")
        .set({ state: "paused", draining: 0, updated_at: now })
        .where("id", "=", id)
        .execute();
    }
    return true;
  });
  if (!known) return undefined;
  await parkAllPending(store, id, now);
  return await getSubscription(store, { accountId, id });
}

/**
 * Makes a paused or disabled subscription active again. What is parked is drained from now on, by {@link
 * drainSubscription}. Resuming an active one changes nothing. Undefined: there is no such subscription.
 *
 * @throws Refusal `wrong_state` for an ended one
 */
export async function resumeSubscription(
  store: Store,
  { accountId, id, now }: { accountId: AccountId; id: SubscriptionId; now: number },
): Promise<Subscription | undefined> {
  const known = await transact(store, async (tx) => {
    const row = await lockSubscription(store, tx, accountId, id);
    if (row === undefined) return false;
    if (row.state === "ended") throw hasEnded(id);
    if (row.state !== "active") await resumeIn(tx, id, now);
    return true;
  });
  return known ? await getSubscription(store, { accountId, id }) : undefined;
}

/** The same within a transaction that holds its row. */
export async function resumeIn(tx: Tx, id: SubscriptionId, now: number): Promise<void> {
  await tx
    .updateTable("subscriptions")
    .set({ state: "active", draining: 1, failing_since: null, exhausted: 0, updated_at: now })
    .where("id", "=", id)
    .execute();
}

/**
 * Parks a delivery whose attempt is due while its subscription is paused or disabled. False: the subscription is not
 * (any more), so the attempt is to be made.
 */
export async function parkDelivery(
  store: Store,
  { id, subscriptionId, now }: { id: DeliveryId; subscriptionId: SubscriptionId; now: number },
): Promise<boolean> {
  return await transact(store, async (tx) => {
    const subscription = await lockSubscription(store, tx, "any", subscriptionId);
    if (subscription?.state !== "paused" && subscription?.state !== "disabled") return false;
    await moveAll(tx, "park", await lockDeliveries(store, tx, [id]), {}, now);
    return true;
  });
}

/** Parks what is pending, but for tests and what is claimed. */
export async function parkAllPending(store: Store, id: SubscriptionId, now: number): Promise<void> {
  while ((await transact(store, (tx) => parkPending(store, tx, id, now))) === MOVED_AT_ONCE);
}

/** @returns how many were parked, some at most */
export async function parkPending(store: Store, tx: Tx, id: SubscriptionId, now: number): Promise<number> {
  const rows = await oldest(store, tx, id, "pending", MOVED_AT_ONCE)
    // Tests are sent also while the subscription is paused.
    .where("test", "=", 0)
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", "<", now)]))
    .execute();
  const ids = rows.map((row) => row.id);
  // A claimed delivery may be on its way: parked and drained, it would be sent a second time.
  const unclaimed = (await lockDeliveries(store, tx, ids)).filter(
    (row) => row.state === "pending" && (row.lease_until === null || row.lease_until < now),
  );
  await moveAll(tx, "park", unclaimed, {}, now);
  return rows.length;
}

/**
 * Subscriptions that were resumed and still have parked deliveries, or had until just now: those after
 * `after`.
 */
export async function listDraining(
  store: Store,
  { after, limit }: { after: SubscriptionId | undefined; limit: number },
): Promise<SubscriptionId[]> {
  const rows = await store.db
    .selectFrom("subscriptions")
    .select("id")
    .where("draining", "=", 1)
    .where("id", ">", after ?? (0 as SubscriptionId))
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

/**
 * Goes on with the drain of a subscription: its oldest parked deliveries become pending, a few at a time,
 * until none is left. What is ingested meanwhile is parked behind them.
 *
 * A subscription whose row is held by somebody else is left for the next time: others wait behind it.
 *
 * @returns how many became pending
 */
export async function drainSubscription(
  store: Store,
  { id, now }: { id: SubscriptionId; now: number },
): Promise<number> {
  const ahead = await pendingOf(store, store.db, id);
  if (ahead > DRAIN_AHEAD / 2) return 0;
  return await transact(store, async (tx) => {
    // Held, so that it does not end or pause meanwhile, and two workers do not both find the last one.
    const row = await lockSubscription(store, tx, "any", id, { ifLocked: "skip" });
    if (row?.draining !== 1) return 0;
    const rows = await oldest(store, tx, id, "parked", DRAIN_AHEAD).execute();
    const parked = await lockDeliveries(
      store,
      tx,
      rows.map((one) => one.id),
    );
    await moveAll(tx, "drain", parked, { next_attempt_at: now }, now);
    if (rows.length > 0 || (await pendingOf(store, tx, id)) > 0) return rows.length;
    await tx.updateTable("subscriptions").set({ draining: 0 }).where("id", "=", id).execute();
    return 0;
  });
}

/** Subscriptions with parked deliveries, those after `after`; each is one jump along the index. */
export async function listParked(
  store: Store,
  { after, limit }: { after: SubscriptionId | undefined; limit: number },
): Promise<SubscriptionId[]> {
  const found: SubscriptionId[] = [];
  for (let cursor = after ?? (0 as SubscriptionId); found.length < limit; ) {
    const { next } = await store.db
      .selectFrom("deliveries")
      .select((eb) => eb.fn.min("subscription_id").as("next"))
      .where("state", "=", "parked")
      .where("subscription_id", ">", cursor)
      .executeTakeFirstOrThrow();
    if (next === null) break;
    cursor = Number(next) as SubscriptionId;
    found.push(cursor);
  }
  return found;
}

/**
 * Has an active subscription drained that has parked deliveries: an ingest that was under way while it was
 * resumed may have parked one after the drain was over.
 *
 * @returns whether it was active and not drained
 */
export async function drainStrays(store: Store, id: SubscriptionId): Promise<boolean> {
  const { numUpdatedRows } = await store.db
    .updateTable("subscriptions")
    .set({ draining: 1 })
    .where("id", "=", id)
    .where("state", "=", "active")
    .where("draining", "=", 0)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}

async function pendingOf(store: Store, db: Pick<Tx, "selectFrom">, id: SubscriptionId): Promise<number> {
  const rows = await db
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_state"))
    .select("id")
    .where("state", "=", "pending")
    .where("subscription_id", "=", id)
    .limit(DRAIN_AHEAD)
    .execute();
  return rows.length;
}

/** The oldest deliveries of a subscription in a state. */
function oldest(store: Store, tx: Tx, id: SubscriptionId, state: "pending" | "parked", limit: number) {
  return tx
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_state"))
    .select("id")
    .where("state", "=", state)
    .where("subscription_id", "=", id)
    .orderBy("id")
    .limit(limit);
}

function hasEnded(id: SubscriptionId): Refusal {
  return new Refusal("wrong_state", `subscription ${id} has ended; create a new one`, { field: "id" });
}
