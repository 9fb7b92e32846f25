import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { inParts, isEverybodys, type Refused } from "../database/in-parts.ts";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import type { Claim } from "./claim.ts";
import { createClaimRotation, noteTurns } from "./claim-rotation.ts";
import { claimVisited } from "./claim-visited.ts";
import type { ClaimedDelivery } from "./claimed-delivery.ts";
import { ofKind } from "./claimed-subscriptions.ts";
import { inTurns, type Pending, pendingSubscriptions } from "./pending-subscriptions.ts";

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
 *
 * Everyone's turn comes within a bounded number of calls with the same rotation. Each call passes on at least
 * one account that waits, and an account whose line was locked gets one turn more, so N accounts that wait
 * have had theirs after 2 N calls, even if each call claims only one delivery. Each call examines
 * {@link EXAMINED_MAX} subscriptions or all, and an account's next turn continues where its last one ended.
 */
export async function claimDeliveries(store: Store, claim: Claim): Promise<ClaimedDelivery[]> {
  const { rotation = createClaimRotation(), roomOf = unlimited, roomToStart = unlimited } = claim;
  const claimed: ClaimedDelivery[] = [];
  const roomLeftOf = (id: AccountId) => roomOf(id) - claimed.filter((one) => one.accountId === id).length;
  const startsOf = (id: AccountId) =>
    claimed.filter(({ accountId, lane }) => accountId === id && lane === "workflow").length;
  const served = new Set<AccountId>();
  const waiting = new Set<AccountId>();
  const hadTurn = new Set<SubscriptionId>();
  const order: AccountId[] = [];
  const subscriptions: Refused<Pending>[] = [];
  const deliveries: Refused<DeliveryId>[] = [];
  let visits = 0;
  let examined = 0;
  let isOver = false;
  const endTurn = ({ accountId, id }: Pending) => {
    hadTurn.add(id);
    served.add(accountId);
    waiting.delete(accountId);
  };
  const visit = async (visited: readonly Pending[]) => {
    const left = {
      ...claim,
      limit: claim.limit - claimed.length,
      roomOf: roomLeftOf,
      roomToStart: (id: AccountId) => roomToStart(id) - startsOf(id),
    };
    if (left.limit === 0) return;
    const more = await transact(store, (tx) => claimVisited(store, tx, visited, left));
    claimed.push(...more.claimed);
    deliveries.push(...more.misfits);
    for (const one of visited) {
      if (more.leftOut.has(one.id)) continue;
      endTurn(one);
      if (more.locked.has(one.id)) rotation.foundLocked(one.accountId, one.id);
      else rotation.settled(one.accountId, one.id);
    }
  };
  let owed: readonly Pending[] = rotation
    .owed()
    .filter(({ accountId, id }) => roomLeftOf(accountId) > 0 && claim.isLeftOut?.(id) !== true);
  for await (const group of pendingSubscriptions(store, rotation, (id) => roomLeftOf(id) > 0)) {
    const ofTurn = await ofKind(store, inTurns(group), claim);
    for (const { accountId } of ofTurn) if (!served.has(accountId)) waiting.add(accountId);
    order.push(...group.keys());
    const isOwed = new Set(owed.map(({ id }) => id));
    const wanted = [...owed, ...ofTurn.filter(({ id }) => !isOwed.has(id))];
    owed = [];
    for (let i = 0; i < wanted.length && !isOver; i += SUBSCRIPTIONS_AT_ONCE) {
      const some = wanted.slice(i, i + SUBSCRIPTIONS_AT_ONCE);
      const refused = await inParts(some, visit, (error) => isEverybodys(store, error));
      subscriptions.push(...refused);
      for (const { item } of refused) {
        endTurn(item);
        rotation.settled(item.accountId, item.id);
      }
      visits += 1;
      isOver = claimed.length >= claim.limit || visits === VISITS_MAX;
    }
    const isOfTurn = new Set(ofTurn.map(({ id }) => id));
    noteTurns(rotation, group, (id) => !isOfTurn.has(id) || hadTurn.has(id));
    examined += [...group.values()].reduce((sum, ids) => sum + ids.length, 0);
    if (isOver || examined >= EXAMINED_MAX) break;
  }
  // Accounts that got nothing come first the next time.
  const firstWaiting = order.findIndex((id) => waiting.has(id));
  const last = order.at(firstWaiting < 0 ? -1 : firstWaiting - 1);
  if (last !== undefined && firstWaiting !== 0) rotation.servedAccount(last);
  if (subscriptions.length + deliveries.length > 0) {
    const refused = subscriptions.map(({ item, error }) => ({ item: item.id, error }));
    claim.onRefused?.({ subscriptions: refused, deliveries });
  }
  return claimed;
}

function unlimited(): number {
  return Number.POSITIVE_INFINITY;
}
