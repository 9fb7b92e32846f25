import {
  endMs,
  halfOfRate,
  type Pace,
  type Rate,
  type SubscriptionId,
  turnsNow,
  turnsUntil,
} from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { parkPending } from "../lifecycle/park-deliveries.ts";
import { achievedPerSecond, ownPaceOf, type Turns } from "../subscriptions/pace.ts";
import type { ClaimNow } from "./claim.ts";
import type { Visited } from "./claimed-subscriptions.ts";
import { halfOf, inFlightOf } from "./places.ts";
import { retriesWait } from "./retry-lines.ts";

/**
 * Maximum first attempts per second while a subscription is drained, so that a receiver that has just come
 * back is not flooded.
 */
export const DRAIN_PER_SECOND = 50;
/** Maximum deliveries parked in one transaction, of all visited subscriptions; the next visit continues. */
const PARKED_AT_ONCE = 500;
/** Maximum claims of a failing subscription per visit, so that the others do not wait for its attempts. */
const OF_FAILING_MAX = 4;
/**
 * Claims that every subscription may have if many want some: reading more rows than are claimed costs little.
 */
const SHARE_MIN = 32;

/**
 * A first attempt is claimed only if it can be sent within this time, by what the gate has let through so
 * far. Later ones would lose their place and be claimed again, each after a workflow in vain. It is half of
 * what an attempt waits in place at most: the other half is for attempts that are claimed and not yet sent.
 */
export const CLAIM_AHEAD_MS = 500;

/** How many deliveries of a subscription may be claimed. */
export type Room = {
  readonly subscription: Visited;
  readonly turns: Turns;
  /** At which first attempts are admitted. */
  readonly rate: Rate | null;
  readonly count: number;
  /** The first attempt of a delivery in order is claimed or under way. */
  readonly hasOrdered: boolean;
};

/** Returns how much room each subscription has, up to its share of the limit. */
export async function roomsOf(
  store: Store,
  tx: Tx,
  visited: readonly Visited[],
  lines: ReadonlyMap<SubscriptionId, Turns>,
  claim: ClaimNow,
): Promise<Room[]> {
  const { now } = claim;
  const inFlight = await inFlightOf(
    tx,
    visited.map(({ id }) => id),
    now,
  );
  const rooms: Room[] = [];
  let parkable = PARKED_AT_ONCE;
  for (const subscription of visited) {
    const turns = lines.get(subscription.id);
    if (turns === undefined) continue;
    const { id, state } = subscription;
    if ((state === "paused" || state === "disabled") && parkable > 0) {
      parkable -= await parkPending(store, tx, { id, now, limit: parkable });
    }
    const own = ownPaceOf(subscription, claim.inFlightMax);
    const part = retriesWait(turns, now) ? besideRetries(own, turns, now) : own;
    const { rate, concurrency } = subscription.draining === 1 ? paceOfDrain(part, claim) : part;
    const { total, firstAttempts, inOrder } = inFlight(id);
    const byRate = rate === null ? claim.limit : turnsNow(turns.line, rate, now);
    const byGate = own.rate === null ? claim.limit : turnsUntil(turns.gate, own.rate, now + CLAIM_AHEAD_MS);
    const atOnce = subscription.isFailing ? Math.min(OF_FAILING_MAX, claim.limit) : claim.limit;
    const count = Math.max(
      0,
      Math.min(atOnce, own.concurrency - total, concurrency - firstAttempts, byRate, byGate),
    );
    rooms.push({ subscription, turns, rate, count, hasOrdered: inOrder > 0 });
  }
  const withRoom = rooms.filter(({ count }) => count > 0).length;
  const share = Math.max(SHARE_MIN, Math.ceil(claim.limit / withRoom));
  return rooms.map((room) => ({ ...room, count: Math.min(room.count, share) }));
}

/**
 * While retries wait too, first attempts have half of the rate and of the places. A single place cannot be
 * halved: they have it for one of two attempts, or they would always find it before a retry asks. Behind the
 * end of the line, late retries need a place, and the rate has counted them.
 */
function besideRetries(own: Pace, turns: Turns, now: number): Pace {
  const half = halfOfRate({ perSecond: achievedPerSecond(own, turns), burst: 1 });
  const isOver = endMs(turns.retryLine) <= now;
  const rate = isOver ? own.rate : own.rate && halfOfRate(own.rate);
  return { rate: own.concurrency === 1 ? slower(rate, half) : rate, concurrency: halfOf(own.concurrency) };
}

/**
 * While parked deliveries are drained, they are sent in the order of their ingest: one first attempt at a
 * time.
 */
function paceOfDrain({ rate }: Pace, { drainPerSecond = DRAIN_PER_SECOND }: ClaimNow): Pace {
  return { rate: slower(rate, { perSecond: drainPerSecond, burst: 1 }), concurrency: 1 };
}

/** Returns the rate with fewer attempts per second, the first one of two that are equal. */
function slower(one: Rate | null, other: Rate | null): Rate | null {
  if (one === null || other === null) return one ?? other;
  return one.perSecond <= other.perSecond ? one : other;
}
