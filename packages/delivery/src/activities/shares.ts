import {
  type AccountId,
  type DeliveryId,
  EMPTY_LINE,
  endMs,
  type Line,
  placesToShare,
  roomToShare,
  stretched,
} from "@posthaste/domain";
import { LRUCache } from "lru-cache";

/**
 * The attempts under way in this process, as places that accounts share.
 *
 * An account may hold four times as many places as are free, which is `attemptsMax` if it is alone. What
 * stays free is for whoever comes next: an attempt may last as long as its timeout, so a newcomer must not
 * have to wait until one ends.
 */
export type Shares<Id = DeliveryId, Owner = AccountId> = {
  /** All places. */
  readonly size: number;
  /** Returns how many places are free. */
  readonly free: () => number;
  /** Returns how many more attempts of this account may begin now. */
  readonly roomOf: (id: Owner) => number;
  /** Returns whether a place was taken for a delivery. */
  readonly has: (id: Id) => boolean;
  /**
   * Takes a place for a delivery whose attempt will begin soon, such as one that was claimed. A delivery that
   * has a place keeps it.
   */
  readonly reserve: (id: Id, owner: Owner) => void;
  /** Takes a place for an attempt that begins now, or the place that was reserved for it. */
  readonly begin: (id: Id, owner: Owner) => void;
  /** Takes a place as `begin` does, if its account has room or one was reserved. Returns whether it did. */
  readonly tryToBegin: (id: Id, owner: Owner) => boolean;
  /** Gives the delivery's place back. */
  readonly end: (id: Id) => void;
  /** Returns the deliveries whose places were reserved this long ago, without an attempt that began here. */
  readonly reservedFor: (ms: number) => Id[];
  /**
   * Returns when an attempt that found no room is likely to find one, behind those that were told before. If
   * nobody was, it is as soon as an attempt of the account takes, and at least 5 and at most 10 s. Behind a
   * line of a minute, the times are four times as close.
   */
  readonly nextRoomAt: (id: Owner, nowMs: number) => number;
};

/** How long an attempt is assumed to take until one of the account's has ended. */
const HOLD_DEFAULT_MS = 1_000;
/**
 * The time in which an account's attempts ask for room at most as often as it has places if it is alone,
 * however fast its attempts were: that tells little about those under way.
 */
const ASKING_MS = 1_000;
/**
 * What an account's attempts take changes within seconds, if its receivers recover or others leave it more
 * places. So once its line is this long, more are told to come again in the time of an attempt's end.
 */
const LINE_LONG_MS = 60_000;
const ASKS_PER_END_MAX = 4;
/**
 * How soon an attempt that found no room comes again. Each time costs Temporal a workflow task and a replay
 * of the log, so a free place may rather stand empty for a moment; but not for longer than the maximum.
 */
const AGAIN_MIN_MS = 5_000;
const AGAIN_MAX_MS = 10_000;
/** The weight of the latest attempt in the average duration. */
const LATEST_WEIGHT = 0.25;

type Place<Owner> = {
  readonly owner: Owner;
  /** When it was taken or its attempt began, on the clock of `performance.now`. */
  readonly since: number;
  readonly isUnderWay: boolean;
};

/** How long an account's attempts take, and the end of the line of those that were told to come again. */
type Waiting = { readonly holdMs: number; readonly line: Line };

/** Owners whose {@link Waiting} is remembered, about 100 bytes each. A forgotten one begins anew. */
const OWNERS_MAX = 10_000;

/**
 * @param attemptsMax the places of an account that is alone
 * @param options.stepMinMs the shortest time between two that are told to come again. Default: 1 s divided by
 *   `attemptsMax`
 * @param options.againMinMs how soon an attempt that found no room comes again. Default: 5 s
 * @param options.roomFor how many more places an owner may take that has `held`, while `free` are free.
 *   Default: four times as many as are free
 */
export function createShares<Id = DeliveryId, Owner extends AccountId | string = AccountId>(
  attemptsMax: number,
  options: {
    readonly stepMinMs?: number;
    readonly againMinMs?: number;
    readonly roomFor?: (held: number, free: number) => number;
  } = {},
): Shares<Id, Owner> {
  const { stepMinMs = ASKING_MS / attemptsMax, againMinMs = AGAIN_MIN_MS, roomFor = roomToShare } = options;
  const size = placesToShare(attemptsMax);
  const places = new Map<Id, Place<Owner>>();
  const held = new Map<Owner, number>();
  const waiting = new LRUCache<Owner, Waiting>({ max: OWNERS_MAX });

  const heldBy = (id: Owner) => held.get(id) ?? 0;
  const waitingOf = (id: Owner) => waiting.get(id) ?? { holdMs: HOLD_DEFAULT_MS, line: EMPTY_LINE };
  const free = () => Math.max(0, size - places.size);
  const roomOf = (id: Owner) => roomFor(heldBy(id), free());
  /**
   * Returns how long an account's places are likely to be held: the mean (harmonic, as it is about how many
   * end in a second) over its places. Each takes as long as those that have ended, or longer if it already
   * does: while all of them hang, none ends that would tell.
   */
  const likelyHoldMs = (id: Owner) => {
    const usualMs = waitingOf(id).holdMs;
    const now = performance.now();
    let endsPerMs = 0;
    for (const { owner, since } of places.values()) {
      if (owner === id) endsPerMs += 1 / Math.max(usualMs, now - since);
    }
    return endsPerMs === 0 ? usualMs : heldBy(id) / endsPerMs;
  };
  const take = (id: Id, owner: Owner, isUnderWay: boolean) => {
    const place = places.get(id);
    if (place === undefined) {
      places.set(id, { owner, since: performance.now(), isUnderWay });
      held.set(owner, heldBy(owner) + 1);
    } else if (isUnderWay && !place.isUnderWay) {
      places.set(id, { ...place, since: performance.now(), isUnderWay });
    }
  };
  return {
    size,
    free,
    roomOf,
    has: (id) => places.has(id),
    reserve: (id, owner) => take(id, owner, false),
    begin: (id, owner) => take(id, owner, true),
    tryToBegin(id, owner) {
      if (!places.has(id) && roomOf(owner) === 0) return false;
      take(id, owner, true);
      return true;
    },
    end(id) {
      const place = places.get(id);
      if (place === undefined) return;
      const { owner, since, isUnderWay } = place;
      places.delete(id);
      if (heldBy(owner) === 1) held.delete(owner);
      else held.set(owner, heldBy(owner) - 1);
      if (!isUnderWay) return;
      const { holdMs, line } = waitingOf(owner);
      const latestMs = performance.now() - since;
      waiting.set(owner, { holdMs: holdMs + (latestMs - holdMs) * LATEST_WEIGHT, line });
    },
    reservedFor(ms) {
      const before = performance.now() - ms;
      return [...places]
        .filter(([, { isUnderWay, since }]) => !isUnderWay && since <= before)
        .map(([id]) => id);
    },
    nextRoomAt(id, nowMs) {
      const { holdMs, line } = waitingOf(id);
      const likelyMs = likelyHoldMs(id);
      const asksPerEnd = endMs(line) - nowMs > LINE_LONG_MS ? ASKS_PER_END_MAX : 1;
      const stepMs = Math.max(stepMinMs, likelyMs / Math.max(1, heldBy(id)) / asksPerEnd);
      const againMs = Math.min(AGAIN_MAX_MS, Math.max(againMinMs, likelyMs));
      const longer = stretched(line, nowMs + Math.max(0, againMs - stepMs), stepMs);
      waiting.set(id, { holdMs, line: longer });
      return Math.ceil(endMs(longer));
    },
  };
}
