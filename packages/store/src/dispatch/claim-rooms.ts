import { endMs, type Pace, type Rate, type SubscriptionId, turnsNow } from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { parkPending } from "../lifecycle/park-deliveries.ts";
import { ownPaceOf, type Turns } from "../subscriptions/pace.ts";
import type { Claim } from "./claim.ts";
import type { Visited } from "./claimed-subscriptions.ts";
import { halfOf, inFlightOf } from "./places.ts";

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

/** How many deliveries of a subscription may be claimed. */
export type Room = {
  readonly subscription: Visited;
  readonly turns: Turns;
  readonly rate: Rate | null;
  /** The column that keeps its rate. */
  readonly rateColumn: "line" | "gate";
  readonly count: number;
};

/** Returns how much room each subscription has, up to its share of the limit. */
export async function roomsOf(
  store: Store,
  tx: Tx,
  visited: readonly Visited[],
  lines: ReadonlyMap<SubscriptionId, Turns>,
  claim: Claim,
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
    const { rate, concurrency } = subscription.draining === 1 ? paceOfDrain(own, claim) : own;
    // Without an owner's rate, `line` is where retries stand, and the gate is unused.
    const rateColumn = own.rate === null ? "gate" : "line";
    const retriesWait = own.rate === null && endMs(turns.line) > now;
    const firstAttemptsMax = retriesWait ? halfOf(concurrency) : concurrency;
    const { total, firstAttempts } = inFlight(id);
    const byRate = rate === null ? claim.limit : turnsNow(turns[rateColumn], rate, now);
    const atOnce = subscription.isFailing ? Math.min(OF_FAILING_MAX, claim.limit) : claim.limit;
    const count = Math.max(
      0,
      Math.min(atOnce, own.concurrency - total, firstAttemptsMax - firstAttempts, byRate),
    );
    rooms.push({ subscription, turns, rate, rateColumn, count });
  }
  const withRoom = rooms.filter(({ count }) => count > 0).length;
  const share = Math.max(SHARE_MIN, Math.ceil(claim.limit / withRoom));
  return rooms.map((room) => ({ ...room, count: Math.min(room.count, share) }));
}

/**
 * While parked deliveries are drained, they are sent in the order of their ingest: one first attempt at a
 * time.
 */
function paceOfDrain(own: Pace, { drainPerSecond = DRAIN_PER_SECOND }: Claim): Pace {
  const rate =
    own.rate !== null && own.rate.perSecond <= drainPerSecond
      ? own.rate
      : { perSecond: drainPerSecond, burst: 1 };
  return { rate, concurrency: 1 };
}
