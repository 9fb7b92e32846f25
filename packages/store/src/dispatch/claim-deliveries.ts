import { type AccountId, type DeliveryId, lineAfter, type SubscriptionId } from "@posthaste/domain";
import { sql } from "kysely";
import { padded } from "../database/dialect/few-texts.ts";
import { inParts, isEverybodys, type Refused } from "../database/in-parts.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { type Misfit, MOVED_COLUMNS } from "../deliveries/move.ts";
import { lockAllTurns, writeTurns } from "../subscriptions/pace.ts";
import type { Claim, ClaimedDelivery } from "./claim.ts";
import { claimFitting } from "./claim-fitting.ts";
import { type Room, roomsOf } from "./claim-rooms.ts";
import { createClaimRotation, noteServed } from "./claim-rotation.ts";
import { ofKind, readSubscriptions, type Visited } from "./claimed-subscriptions.ts";
import { inTurns, type Pending, pendingSubscriptions } from "./pending-subscriptions.ts";
import { roundRobin } from "./round-robin.ts";

/** Maximum subscriptions visited in one transaction. It locks their lines, so it must be short. */
const SUBSCRIPTIONS_AT_ONCE = 64;
/**
 * Maximum transactions per call. If a thousand subscriptions wait for an attempt to end, the next call
 * continues.
 */
const VISITS_MAX = 16;
/**
 * Maximum subscriptions examined in one call, even if all of them belong to another loop and none is visited.
 */
const EXAMINED_MAX = 4_096;

/**
 * Claims pending deliveries under a lease, fairly: account by account, subscription by subscription, the
 * oldest few of each. While others wait, none gets more than its part; alone, it may have all. A subscription
 * with a huge backlog, or one that hangs, therefore never hides another, and no number of them hides another
 * account. Two claimers never get the same row, and together they respect a subscription's rate and
 * concurrency. Pending deliveries of a paused or disabled subscription are parked. A subscription or a
 * delivery that cannot be claimed does not keep the others from it.
 */
export async function claimDeliveries(store: Store, claim: Claim): Promise<ClaimedDelivery[]> {
  const { rotation = createClaimRotation(), roomOf = unlimited } = claim;
  const claimed: ClaimedDelivery[] = [];
  const roomLeftOf = (id: AccountId) => roomOf(id) - claimed.filter((one) => one.accountId === id).length;
  const served = new Set<AccountId>();
  const waiting = new Set<AccountId>();
  const order: AccountId[] = [];
  const subscriptions: Refused<SubscriptionId>[] = [];
  const deliveries: Refused<DeliveryId>[] = [];
  let visits = 0;
  let examined = 0;
  const visit = async (visited: readonly Pending[]) => {
    const left = { ...claim, limit: claim.limit - claimed.length, roomOf: roomLeftOf };
    if (left.limit === 0) return;
    const more = await transact(store, (tx) => claimOf(store, tx, visited, left));
    claimed.push(...more.claimed);
    deliveries.push(...more.misfits);
    for (const accountId of noteServed(rotation, visited, more.leftOut)) {
      served.add(accountId);
      waiting.delete(accountId);
    }
  };
  search: for await (const group of pendingSubscriptions(store, rotation, (id) => roomLeftOf(id) > 0)) {
    const wanted = await ofKind(store, inTurns(group), claim);
    for (const { accountId } of wanted) if (!served.has(accountId)) waiting.add(accountId);
    order.push(...group.keys());
    for (let i = 0; i < wanted.length; i += SUBSCRIPTIONS_AT_ONCE) {
      const some = wanted.slice(i, i + SUBSCRIPTIONS_AT_ONCE);
      const refused = await inParts(some, visit, (error) => isEverybodys(store, error));
      subscriptions.push(...refused.map(({ item, error }) => ({ item: item.id, error })));
      visits += 1;
      if (claimed.length >= claim.limit || visits === VISITS_MAX) break search;
    }
    examined += [...group.values()].reduce((sum, ids) => sum + ids.length, 0);
    if (examined >= EXAMINED_MAX) break;
  }
  // Accounts that got nothing come first the next time.
  const firstWaiting = order.findIndex((id) => waiting.has(id));
  const last = order.at(firstWaiting < 0 ? -1 : firstWaiting - 1);
  if (last !== undefined && firstWaiting !== 0) rotation.servedAccount(last);
  if (subscriptions.length + deliveries.length > 0) claim.onRefused?.({ subscriptions, deliveries });
  return claimed;
}

/**
 * Visits these subscriptions.
 *
 * @returns what was claimed, by turns of accounts and subscriptions; and the subscriptions that were left out
 *   although they had something to claim
 */
async function claimOf(
  store: Store,
  tx: Tx,
  pending: readonly Pending[],
  claim: Claim,
): Promise<{ claimed: ClaimedDelivery[]; misfits: Misfit[]; leftOut: ReadonlySet<SubscriptionId> }> {
  const { now } = claim;
  const ids = pending.map(({ id }) => id);
  // A process that stops in the middle of its transaction holds its lines for a minute. The others go on.
  const lines = await lockAllTurns(store, tx, ids, { ifLocked: "skip" });
  const leftOut = new Set(ids.filter((id) => !lines.has(id)));
  // Read under the lock. A claim would otherwise use outdated data.
  const visited = await readSubscriptions(tx, [...lines.keys()], claim);
  if (visited.length === 0) return { claimed: [], misfits: [], leftOut };
  const rooms = await roomsOf(store, tx, visited, lines, claim);
  const oldest = await oldestOf(store, tx, rooms, now);
  const chosen = shareOut(oldest, claim);
  const { rows, misfits } = await claimFitting(tx, await lockPending(store, tx, chosen, now), claim);
  for (const { subscription, ids: some } of oldest) if (some.length > 0) leftOut.add(subscription.id);
  for (const row of chosen) leftOut.delete(row.subscriptionId);
  for (const { subscription, rate, turns, rateColumn } of rooms) {
    if (rate === null) continue;
    const count = chosen.filter(
      (one) => one.subscriptionId === subscription.id && rows.has(one.deliveryId),
    ).length;
    if (count === 0) continue;
    await writeTurns(tx, subscription.id, {
      ...turns,
      [rateColumn]: lineAfter(turns[rateColumn], rate, now, count),
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
      // A delivery that was attempted before needs its log, which a workflow replays.
      lane: row.attempts === 0 ? subscription.lane : ("workflow" as const),
      isFailing: subscription.isFailing,
      traceparent: row.traceparent,
    };
  });
  return { claimed, misfits, leftOut };
}

/**
 * Chooses among the oldest deliveries: one of each account, then the next of each, and so on. Whoever has
 * fewer than a part leaves the rest of it to the others. Of an account, it takes the subscriptions one after
 * another: deliveries of few subscriptions are loaded and signed in less time.
 */
function shareOut(oldest: readonly OldestOf[], { limit, roomOf = unlimited }: Claim): Chosen[] {
  const ofAccount = new Map<AccountId, Chosen[]>();
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

function unlimited(): number {
  return Number.POSITIVE_INFINITY;
}

/** The oldest deliveries that a subscription may have claimed. */
type OldestOf = { readonly subscription: Visited; readonly ids: readonly DeliveryId[] };

/** Returns the oldest pending deliveries of each subscription, in the order of the visits. */
async function oldestOf(store: Store, tx: Tx, rooms: readonly Room[], now: number): Promise<OldestOf[]> {
  const wanted = rooms.filter(({ count }) => count > 0);
  if (wanted.length === 0) return [];
  const byState = sql.raw(store.seam.byIndex("deliveries_by_state_and_account"));
  // Padding gives one text for several numbers of subscriptions. The last subscription is repeated with a
  // limit of 0.
  const oldest = padded(wanted).map(
    ({ subscription, count }, i) => sql`select * from (
      select id, subscription_id from deliveries ${byState}
      where state = 'pending' and account_id = ${subscription.account_id}
        and subscription_id = ${subscription.id} and (lease_until is null or lease_until < ${now})
      order by id limit ${i < wanted.length ? count : 0}
    ) as oldest`,
  );
  const { rows } = await sql<{
    id: DeliveryId;
    subscription_id: SubscriptionId;
  }>`${sql.join(oldest, sql` union all `)}`.execute(tx);
  const bySubscription = new Map<SubscriptionId, DeliveryId[]>();
  for (const row of rows) {
    const deliveryIds = bySubscription.get(row.subscription_id) ?? [];
    deliveryIds.push(row.id);
    bySubscription.set(row.subscription_id, deliveryIds);
  }
  return wanted.map(({ subscription }) => ({
    subscription,
    ids: (bySubscription.get(subscription.id) ?? []).sort(),
  }));
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
