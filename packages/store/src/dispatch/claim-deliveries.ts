import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { inParts, isEverybodys, type Refused } from "../database/in-parts.ts";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import type { Claim, PlacesAtHosts } from "./claim.ts";
import { type ClaimRotation, createClaimRotation, noteTurns } from "./claim-rotation.ts";
import { type ClaimedOfVisited, claimVisited } from "./claim-visited.ts";
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
 * Everyone's turn comes within a bounded number of calls with the same rotation. Each call passes on the
 * account whose turn it is: it got something, or the subscriptions whose turn it was had nothing to claim. So
 * N accounts that wait have had theirs after N calls, even if each call claims only one delivery, and after
 * N / n if each claims n, up to sixteen. An account whose line was locked gets one turn more, which makes it
 * twice as many calls at most. A call that claims nothing examines {@link EXAMINED_MAX} subscriptions or all,
 * some of each account before more of any, and an account's next turn continues where its last one ended.
 */
export async function claimDeliveries(store: Store, claim: Claim): Promise<ClaimedDelivery[]> {
  const { rotation = createClaimRotation(), roomOf = unlimited, onRefused = () => {} } = claim;
  const found = createFound();
  const places = createTakenPlaces(claim.hosts);
  try {
    await claimInTurns(store, { ...claim, rotation, roomOf, places }, found);
  } catch (error) {
    // Nobody learns what was claimed. Its leases run out.
    places.keepOnly([]);
    throw error;
  } finally {
    passOn(rotation, found);
    const subscriptions = found.subscriptions.map(({ item, error }) => ({ item: item.id, error }));
    const { deliveries } = found;
    if (subscriptions.length + deliveries.length > 0) onRefused({ subscriptions, deliveries });
  }
  return found.claimed;
}

/** What a call has found and done so far. */
type Found = ReturnType<typeof createFound>;

function createFound() {
  return {
    claimed: [] as ClaimedDelivery[],
    /** The accounts in the order of their turns, each with its subscriptions that the call asks for. */
    turns: new Map<AccountId, SubscriptionId[]>(),
    hadTurn: new Set<SubscriptionId>(),
    /** Subscriptions that had something to claim, and others came first. */
    leftOut: new Set<SubscriptionId>(),
    /** Subscriptions whose claim was refused. */
    subscriptions: [] as Refused<Pending>[],
    /** Deliveries whose claim was refused. */
    deliveries: [] as Refused<DeliveryId>[],
  };
}

async function claimInTurns(
  store: Store,
  claim: Claim & Required<Pick<Claim, "rotation" | "roomOf">> & { places: TakenPlaces },
  found: Found,
): Promise<void> {
  const { rotation, places } = claim;
  const { claimed, turns, hadTurn, leftOut } = found;
  const roomLeftOf = (id: AccountId) =>
    claim.roomOf(id) - claimed.filter(({ accountId }) => accountId === id).length;
  const note = (visited: readonly Pending[], more: ClaimedOfVisited) => {
    found.deliveries.push(...more.misfits);
    for (const { accountId, id } of visited) {
      (more.leftOut.has(id) ? leftOut : hadTurn).add(id);
      if (more.locked.has(id)) rotation.foundLocked(accountId, id);
      else if (!more.leftOut.has(id)) rotation.settled(accountId, id);
    }
  };
  const visit = async (visited: readonly Pending[]) => {
    const limit = claim.limit - claimed.length;
    if (limit === 0) return;
    const left = {
      ...{ ...claim, limit, roomOf: roomLeftOf },
      roomToStart: startsLeftOf(claim, claimed),
      ...(claim.hosts === undefined ? {} : { hosts: places }),
    };
    try {
      const more = await transact(store, (tx) => claimVisited(store, tx, visited, left));
      claimed.push(...more.claimed);
      note(visited, more);
    } finally {
      places.keepOnly(claimed);
    }
  };
  let visits = 0;
  let examined = 0;
  let isOver = false;
  let owed: readonly Pending[] = rotation
    .owed()
    .filter(({ accountId, id }) => roomLeftOf(accountId) > 0 && claim.isLeftOut?.(id) !== true);
  for await (const group of pendingSubscriptions(store, rotation, (id) => roomLeftOf(id) > 0)) {
    const ofTurn = await ofKind(store, inTurns(group), claim);
    for (const id of group.keys()) if (!turns.has(id)) turns.set(id, []);
    for (const { accountId, id } of ofTurn) turns.get(accountId)?.push(id);
    const claimedBefore = claimed.length;
    const isOwed = new Set(owed.map(({ id }) => id));
    const wanted = [...owed, ...ofTurn.filter(({ id }) => !isOwed.has(id))];
    owed = [];
    for (let i = 0; i < wanted.length && !isOver; i += SUBSCRIPTIONS_AT_ONCE) {
      const some = wanted.slice(i, i + SUBSCRIPTIONS_AT_ONCE);
      const refused = await inParts(some, visit, (error) => isEverybodys(store, error));
      found.subscriptions.push(...refused);
      for (const { item } of refused) {
        hadTurn.add(item.id);
        rotation.settled(item.accountId, item.id);
      }
      visits += 1;
      isOver = claimed.length >= claim.limit || visits === VISITS_MAX;
    }
    const isOfTurn = new Set(ofTurn.map(({ id }) => id));
    noteTurns(rotation, group, (id) => !isOfTurn.has(id) || hadTurn.has(id));
    examined += [...group.values()].reduce((sum, ids) => sum + ids.length, 0);
    if (isOver || examined >= EXAMINED_MAX) {
      claim.onCutShort?.();
      break;
    }
    // Whatever was claimed does not wait for a search that finds nothing.
    if (claimed.length > 0 && claimed.length === claimedBefore) break;
  }
}

/**
 * Moves the rotation on to the last account before the first that still waits for its turn. An account waits
 * that got nothing, if others came first: if its subscriptions had nothing to claim, it has had its turn.
 */
function passOn(rotation: ClaimRotation, { claimed, turns, hadTurn, leftOut }: Found): void {
  const got = new Set(claimed.map(({ accountId }) => accountId));
  const waits = (ids: readonly SubscriptionId[]) =>
    ids.some((id) => leftOut.has(id)) || (ids.length > 0 && !ids.some((id) => hadTurn.has(id)));
  let last: AccountId | undefined;
  for (const [accountId, ids] of turns) {
    if (!got.has(accountId) && waits(ids)) break;
    last = accountId;
  }
  if (last !== undefined) rotation.servedAccount(last);
}

/** Returns how many more deliveries of an account may be claimed that were attempted before. */
function startsLeftOf(
  { roomToStart = unlimited }: Claim,
  claimed: readonly ClaimedDelivery[],
): (id: AccountId) => number {
  return (id) =>
    roomToStart(id) - claimed.filter(({ accountId, lane }) => accountId === id && lane === "workflow").length;
}

type TakenPlaces = ReturnType<typeof createTakenPlaces>;

/** Remembers which places at hosts a call has taken. A delivery may have had one before. */
function createTakenPlaces(hosts: PlacesAtHosts | undefined) {
  const taken = new Set<DeliveryId>();
  return {
    has: (id: DeliveryId) => hosts?.has(id) === true,
    tryToReserve(id: DeliveryId, accountId: AccountId, targetUrl: string): boolean {
      if (hosts === undefined || hosts.has(id)) return true;
      const isTaken = hosts.tryToReserve(id, accountId, targetUrl);
      if (isTaken) taken.add(id);
      return isTaken;
    },
    end(id: DeliveryId) {
      taken.delete(id);
      hosts?.end(id);
    },
    /** Gives back what the call has taken for other deliveries than these. */
    keepOnly(claimed: readonly Pick<ClaimedDelivery, "deliveryId">[]) {
      const kept = new Set(claimed.map(({ deliveryId }) => deliveryId));
      for (const id of [...taken].filter((one) => !kept.has(one))) this.end(id);
    },
  };
}

function unlimited(): number {
  return Number.POSITIVE_INFINITY;
}
