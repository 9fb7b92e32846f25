import {
  type DeliveryId,
  EMPTY_LINE,
  endMs,
  halfOfRate,
  intervalMs,
  laterOf,
  lineAfter,
  lineBefore,
  nextTurnMs,
  type Pace,
  type Rate,
  type SubscriptionId,
  stretched,
} from "@posthaste/domain";
import { inState } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { isNextAttempt, type LockedDelivery, lockDelivery, moveAll } from "../deliveries/move.ts";
import { holdsNoTime, waitUntil } from "../deliveries/transitions.ts";
import { inLine } from "../subscriptions/in-line.ts";
import { achievedPerSecond, lockTurns, type Turns, writeTurns } from "../subscriptions/pace.ts";
import { CLAIM_AHEAD_MS } from "./claim-rooms.ts";
import { halfOf, hasPlace, inFlightOf } from "./places.ts";

/**
 * A wait this short takes place in the attempt's own process: another round through Temporal would take
 * longer.
 */
const IN_PLACE_MAX_MS = 1_000;
/**
 * A retry waits at most this long in place while first attempts wait. A claim looks further ahead
 * ({@link CLAIM_AHEAD_MS}), so retries never fill the time in which a first attempt is to be sent.
 */
const IN_PLACE_BESIDE_FIRST_MAX_MS = CLAIM_AHEAD_MS / 2;
/** A turn expires this long after the attempt's timeout. Writing its result is retried for 25 s. */
const LEASE_SLACK_MS = 45_000;
/** Minimum distance between the turns of two retries of a full subscription. */
const STEP_MIN_MS = 5;
/**
 * Retries that ask for each place of a full subscription. Nobody knows when an attempt ends, and its place
 * stands empty until the next retry asks. With one, more than a quarter of the time of a single place was
 * lost, with two a sixth; each further one costs an activity.
 */
const ASKS_PER_PLACE = 2;

export type Turn =
  /** Send at this time, at most {@link IN_PLACE_MAX_MS} from now. */
  | { readonly kind: "go"; readonly atMs: number }
  /** Ask again at this time, which is written to the delivery as its next attempt. */
  | { readonly kind: "wait"; readonly untilMs: number }
  /** A first attempt that cannot be sent now: the delivery is pending again. */
  | { readonly kind: "unclaimed" }
  /**
   * The attempt is not the delivery's next one any more: another run of it was recorded first, or the
   * delivery was parked or has ended. Nothing was changed.
   */
  | { readonly kind: "moved" };

/**
 * Decides whether an attempt may be sent now, for all workers together.
 *
 * A first attempt was admitted when it was claimed, and only needs the moment to send it. A retry also has to
 * find room. If there is none, or others wait, it takes its place in line and waits for its position ÷ the
 * rate. The rate is the owner's, or the one that the subscription achieves: its concurrency ÷ the recent
 * duration of its attempts. While first attempts wait, retries have half of it, and half of the places. A
 * first attempt cannot wait in line, because it has no log to replay: its delivery becomes pending again.
 */
export async function takeTurn(
  store: Store,
  ask: {
    deliveryId: DeliveryId;
    subscriptionId: SubscriptionId;
    /** The attempt's number, from 1. */
    number: number;
    /**
     * When the attempt was due by the row that its caller has read. If the row has another time by now that
     * is still ahead, another run of the attempt stands in line, and both wait until then. Default: not
     * compared
     */
    dueMs?: number | null;
    pace: Pace;
    /** The attempt's timeout. */
    timeoutMs: number;
    now: () => number | Promise<number>;
  },
): Promise<Turn> {
  return await inLine(store, ask.subscriptionId, async (tx) => {
    const turns = await lockTurns(store, tx, ask.subscriptionId);
    // The clock is read under the lock. Otherwise the attempts that waited for it would be sent all at once.
    return await turnOf(store, tx, { ...ask, now: await ask.now() }, turns);
  });
}

type Ask = Omit<Parameters<typeof takeTurn>[1], "now"> & { readonly now: number };

async function turnOf(store: Store, tx: Tx, ask: Ask, turns: Turns): Promise<Turn> {
  const { deliveryId, subscriptionId, number, pace, now } = ask;
  const row = await lockDelivery(store, tx, deliveryId);
  if (row === undefined) throw new Error(`delivery ${deliveryId} does not exist`);
  // The row has the time of another attempt then, and a place in line would replace it by an earlier one.
  if (!isNextAttempt(row, number) || holdsNoTime(row.state)) return { kind: "moved" };
  const isFirst = row.attempts === 0;
  const { next_attempt_at: nextMs } = row;
  if (!isFirst && nextMs !== null && nextMs > now && ask.dueMs !== undefined && nextMs !== ask.dueMs) {
    return { kind: "wait", untilMs: nextMs };
  }
  const isAdmitted = hasPlace(row, now);
  const room = isAdmitted ? { ...ALL_ROOM, rate: pace.rate } : await roomFor(store, tx, ask, isFirst);
  const own = isFirst ? "line" : "retryLine";
  // Alone, retries keep to the rate by the slots in which they come.
  const isSpread = row.turn_at !== null && !room.isShared;
  const isCounted = isAdmitted || standsInLine(row);
  const isEarly = room.rate !== null && !isCounted && !isSpread && nextTurnMs(turns[own], room.rate) > now;
  const sendMs = pace.rate === null ? now : Math.max(now, nextTurnMs(turns.gate, pace.rate));
  const inPlaceMaxMs = room.isShared ? IN_PLACE_BESIDE_FIRST_MAX_MS : IN_PLACE_MAX_MS;
  if (room.isFull || isEarly || sendMs - now > inPlaceMaxMs) {
    return isFirst
      ? await unclaim(tx, ask, row, turns)
      : await standInLine(tx, ask, { row, turns, room, sendMs });
  }
  const isLast = isLastInLine(row, turns, now);
  const isRated = pace.rate !== null && room.rate !== null;
  if (isLast || isRated) {
    const emptied = isLast ? { ...turns, retryLine: EMPTY_LINE } : turns;
    const admitted = isRated && !isCounted ? { [own]: lineAfter(turns[own], room.rate, now) } : {};
    const gate = isRated ? lineAfter(turns.gate, pace.rate, sendMs) : turns.gate;
    await writeTurns(tx, subscriptionId, { ...emptied, ...admitted, gate });
  }
  if (!isAdmitted) {
    await moveAll(tx, "take_turn", [row], { lease_until: now + ask.timeoutMs + LEASE_SLACK_MS }, now);
  }
  return { kind: "go", atMs: sendMs };
}

/** The room that a subscription has for an attempt of one kind. */
type RoomFor = {
  /** All places are taken, or a retry would take one of those that are left to first attempts. */
  readonly isFull: boolean;
  /** A first attempt has the only place. */
  readonly isOfFirst: boolean;
  /** First attempts wait beside the retry. */
  readonly isShared: boolean;
  /** The rate of its kind. */
  readonly rate: Rate | null;
};

const ALL_ROOM = { isFull: false, isOfFirst: false, isShared: false };

async function roomFor(store: Store, tx: Tx, ask: Ask, isFirst: boolean): Promise<RoomFor> {
  const { subscriptionId, pace, now } = ask;
  const { total, firstAttempts } = (await inFlightOf(tx, [subscriptionId], now))(subscriptionId);
  const all = { ...ALL_ROOM, rate: pace.rate };
  const isOfFirst = pace.concurrency === 1 && firstAttempts > 0;
  if (total >= pace.concurrency) return { ...all, isFull: true, isOfFirst };
  const hasHalf = total - firstAttempts >= halfOf(pace.concurrency);
  if (isFirst || (pace.rate === null && !hasHalf)) return all;
  if (!(await haveFirstAttempts(store, tx, ask))) return all;
  return { ...all, isFull: hasHalf, isShared: true, rate: pace.rate && halfOfRate(pace.rate) };
}

/** Returns whether deliveries of the subscription wait to be claimed. */
async function haveFirstAttempts(store: Store, tx: Tx, { subscriptionId, now }: Ask): Promise<boolean> {
  const waiting = await inState(store, tx, { subscriptionId, state: "pending" })
    .select("id")
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", "<", now)]))
    .limit(1)
    .executeTakeFirst();
  return waiting !== undefined;
}

/**
 * Returns whether a retry has asked for its turn before, and was told to ask again: the line counts it
 * already. The time that was reserved for it is then earlier than its next attempt.
 */
function standsInLine({ turn_at, next_attempt_at }: LockedDelivery): boolean {
  return turn_at !== null && next_attempt_at !== null && turn_at < next_attempt_at;
}

/**
 * Returns whether a retry was told to come at the end of the line, which is over: nobody comes after it.
 * First attempts then need not wait for late ones.
 */
function isLastInLine(row: LockedDelivery, { retryLine }: Turns, now: number): boolean {
  return standsInLine(row) && endMs(retryLine) <= Math.min(row.next_attempt_at ?? now, now);
}

async function standInLine(
  tx: Tx,
  { subscriptionId, pace, now }: Ask,
  { row, turns, room, sendMs }: { row: LockedDelivery; turns: Turns; room: RoomFor; sendMs: number },
): Promise<Turn> {
  const { retryLine } = turns;
  const { rate, isFull, isOfFirst } = room;
  if (!isFull && keepsItsPlace(row, rate, sendMs)) {
    const untilMs = Math.ceil(sendMs);
    await moveAll(tx, "reserve_turn", [row], { ...waitUntil(untilMs), turn_at: row.turn_at }, now);
    return { kind: "wait", untilMs };
  }
  const byRate = rate === null ? retryLine : lineAfter(retryLine, rate, now);
  const asksPerSecond = achievedPerSecond(pace, turns) * ASKS_PER_PLACE;
  const stepMs = isFull ? Math.max(STEP_MIN_MS, 1_000 / asksPerSecond) : 0;
  const next = laterOf(byRate, stretched(retryLine, now, stepMs));
  const turnMs = rate === null || isFull ? endMs(next) : Math.max(nextTurnMs(retryLine, rate), sendMs);
  const untilMs = Math.ceil(Math.max(turnMs, now + 1));
  const { turn_at: turnAt, next_attempt_at: nextMs } = row;
  // Its owner asked for it before its turn: it keeps that rather than to come later, in a longer line.
  if (turnAt !== null && nextMs !== null && nextMs < turnAt && turnAt >= now && turnAt < untilMs) {
    await moveAll(tx, "reserve_turn", [row], { ...waitUntil(turnAt + 1), turn_at: turnAt }, now);
    return { kind: "wait", untilMs: turnAt + 1 };
  }
  // The only place goes to the next retry that asks, however long the first attempt takes.
  const line = isOfFirst ? laterOf(turns.line, stretched(EMPTY_LINE, now, 2 * stepMs)) : turns.line;
  await writeTurns(tx, subscriptionId, { ...turns, line, retryLine: next });
  // Earlier than the next attempt: the line counts the retry.
  const times = { ...waitUntil(untilMs), turn_at: untilMs - 1 };
  await moveAll(tx, "reserve_turn", [row], times, now);
  return { kind: "wait", untilMs };
}

/**
 * Returns whether a retry whose turn has come, and that finds only the gate taken, waits for the gate. With a
 * new place at each such time, retries and first attempts that have the same distance would meet each time.
 * From the turn of the retry after it on, it takes a new place. Otherwise all of those that come late would
 * come again together each time the gate opens.
 */
function keepsItsPlace(row: LockedDelivery, rate: Rate | null, sendMs: number): boolean {
  return rate !== null && standsInLine(row) && sendMs <= (row.turn_at ?? 0) + 1 + intervalMs(rate);
}

/**
 * Gives the first attempt's place in line back too. With half of the rate, its claim took two: the other one
 * stays taken, for the retry that was sent instead.
 */
async function unclaim(
  tx: Tx,
  { subscriptionId, pace, now }: Ask,
  row: LockedDelivery,
  turns: Turns,
): Promise<Turn> {
  if (pace.rate !== null) {
    await writeTurns(tx, subscriptionId, { ...turns, line: lineBefore(turns.line, pace.rate) });
  }
  await moveAll(tx, "unclaim", [row], { next_attempt_at: now }, now);
  return { kind: "unclaimed" };
}
