import { type AccountId, type DeliveryId, hostOf, lineAfter, type SubscriptionId } from "@posthaste/domain";
import { lockRows } from "../database/lock-rows.ts";
import { roundRobin } from "../database/round-robin.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { type Misfit, MOVED_COLUMNS } from "../deliveries/move.ts";
import { lockAllTurns, writeTurns } from "../subscriptions/pace.ts";
import type { Claim, ClaimNow } from "./claim.ts";
import { claimFitting } from "./claim-fitting.ts";
import { roomsOf } from "./claim-rooms.ts";
import type { ClaimedDelivery } from "./claimed-delivery.ts";
import { readSubscriptions, type Visited } from "./claimed-subscriptions.ts";
import { waitsInOrder } from "./in-order.ts";
import { type OldestOf, oldestOf } from "./oldest-pending.ts";
import type { Pending } from "./pending-subscriptions.ts";
import { emptyRetryLines } from "./retry-lines.ts";

/** What a visit to subscriptions did. */
export type ClaimedOfVisited = {
  /** What was claimed, by turns of accounts and subscriptions. */
  readonly claimed: ClaimedDelivery[];
  /** Deliveries that were set aside because their row does not fit its state. */
  readonly misfits: Misfit[];
  /** The subscriptions that got nothing because others came first, although they had something to claim. */
  readonly leftOut: ReadonlySet<SubscriptionId>;
  /** The subscriptions whose line was locked. */
  readonly locked: ReadonlySet<SubscriptionId>;
};

/**
 * Claims pending deliveries of these subscriptions, in one transaction. The first of them always gets
 * something, if it has something to claim and its line is free.
 *
 * A line that another transaction holds is skipped: a process that stops in the middle of its transaction
 * holds its lines for a minute, and others must not wait for that.
 */
export async function claimVisited(
  store: Store,
  tx: Tx,
  pending: readonly Pending[],
  asked: Claim,
): Promise<ClaimedOfVisited> {
  const ids = pending.map(({ id }) => id);
  const lines = await lockAllTurns(store, tx, ids, { ifLocked: "skip" });
  // The clock is read under the lock: whatever the claim waited for is no part of its leases.
  const now = asked.now();
  const claim: ClaimNow = { ...asked, now };
  const leftOut = new Set<SubscriptionId>();
  const locked = await lockedAmong(
    tx,
    ids.filter((id) => !lines.has(id)),
  );
  // Read under the lock. A claim would otherwise use outdated data.
  const visited = await readSubscriptions(tx, [...lines.keys()], claim);
  if (visited.length === 0) return { claimed: [], misfits: [], leftOut, locked };
  const rooms = await roomsOf(store, tx, visited, await emptyRetryLines(store, tx, lines, now), claim);
  const { oldest, crowdedOut } = withinHosts(await oldestOf(store, tx, rooms, claim), claim);
  const chosen = shareOut(pending, oldest, claim);
  const { rows, misfits } = await claimFitting(tx, await lockPending(store, tx, chosen, now), claim);
  for (const { subscription, ids: some } of oldest) if (some.length > 0) leftOut.add(subscription.id);
  for (const id of crowdedOut) leftOut.add(id);
  for (const row of chosen) leftOut.delete(row.subscriptionId);
  for (const { subscription, rate, turns } of rooms) {
    if (rate === null) continue;
    const count = chosen.filter(
      (one) => one.subscriptionId === subscription.id && rows.has(one.deliveryId),
    ).length;
    if (count === 0) continue;
    await writeTurns(tx, subscription.id, {
      ...turns,
      line: lineAfter(turns.line, rate, now, count),
    });
  }
  const byId = new Map<number, Visited>(visited.map((subscription) => [subscription.id, subscription]));
  const claimed = chosen.flatMap(({ deliveryId, subscriptionId }) => {
    const row = rows.get(deliveryId);
    const subscription = byId.get(subscriptionId);
    if (row === undefined || subscription === undefined) return [];
    return {
      deliveryId,
      accountId: row.account_id,
      subscriptionId,
      eventId: row.event_id,
      eventType: row.event_type,
      targetUrl: subscription.target_url,
      leaseUntil: now + claim.leaseMs,
      // A delivery that was attempted before needs its log, which a workflow replays.
      lane: row.attempts === 0 ? subscription.lane : ("workflow" as const),
      isInOrder: waitsInOrder(row) || (row.attempts === 0 && subscription.draining === 1),
      isFailing: subscription.isFailing,
      traceparent: row.traceparent,
    };
  });
  return { claimed, misfits, leftOut, locked };
}

/** Returns those of these lines that exist: an erasure may have deleted the others. */
async function lockedAmong(tx: Tx, ids: readonly SubscriptionId[]): Promise<Set<SubscriptionId>> {
  if (ids.length === 0) return new Set();
  const rows = await tx
    .selectFrom("turns")
    .select("subscription_id as id")
    .where("subscription_id", "in", ids)
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/**
 * Leaves out deliveries for whose host their account has no room. A subscription whose host had none has had
 * its turn: it would come first until an attempt ends, which may take half a minute, and keep others waiting.
 *
 * @returns `crowdedOut`: the subscriptions that got nothing because others took the room of their host
 */
function withinHosts(
  oldest: readonly OldestOf[],
  { hosts }: ClaimNow,
): { oldest: readonly OldestOf[]; crowdedOut: readonly SubscriptionId[] } {
  if (hosts === undefined) return { oldest, crowdedOut: [] };
  const crowdedOut: SubscriptionId[] = [];
  const taken = new Set<string>();
  const within = oldest.map(({ subscription, ids }) => {
    const { id, account_id: accountId, target_url: targetUrl } = subscription;
    const key = `${accountId} ${hostOf(targetUrl)}`;
    const some = ids.filter((one) => hosts.tryToReserve(one, accountId, targetUrl));
    if (some.length > 0) taken.add(key);
    else if (ids.length > 0 && taken.has(key)) crowdedOut.push(id);
    return { subscription, ids: some };
  });
  return { oldest: within, crowdedOut };
}

/**
 * Chooses among the oldest deliveries: one of each account, then the next of each, and so on. Whoever has
 * fewer than a part leaves the rest of it to the others. Of an account, it takes the subscriptions one after
 * another: deliveries of few subscriptions are loaded and signed in less time.
 *
 * @param pending the visited subscriptions, in the order of the turns
 */
function shareOut(
  pending: readonly Pending[],
  oldest: readonly OldestOf[],
  { limit, roomOf = () => limit }: ClaimNow,
): Chosen[] {
  // An account keeps its place if its first subscriptions have nothing to claim.
  const ofAccount = new Map(pending.map(({ accountId }): [AccountId, Chosen[]] => [accountId, []]));
  for (const { subscription, ids } of oldest) {
    const chosen = ofAccount.get(subscription.account_id) ?? [];
    chosen.push(...ids.map((deliveryId) => ({ deliveryId, subscriptionId: subscription.id })));
    ofAccount.set(subscription.account_id, chosen);
  }
  const lists = [...ofAccount].map(([id, chosen]) =>
    chosen.slice(0, Math.max(0, Math.min(limit, roomOf(id)))),
  );
  return [...roundRobin(lists)].slice(0, limit);
}

type Chosen = { readonly deliveryId: DeliveryId; readonly subscriptionId: SubscriptionId };

/** Locks those of these deliveries that are still pending and that no other transaction holds. */
async function lockPending(store: Store, tx: Tx, chosen: readonly Chosen[], now: number) {
  if (chosen.length === 0) return [];
  const query = tx
    .selectFrom("deliveries")
    .select(MOVED_COLUMNS)
    .where(
      "id",
      "in",
      chosen.map(({ deliveryId }) => deliveryId),
    )
    .where("state", "=", "pending")
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", "<", now)]))
    .orderBy("id");
  return await lockRows(store, query, "skip").execute();
}
