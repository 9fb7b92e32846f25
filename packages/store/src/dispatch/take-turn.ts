import {
  type DeliveryId,
  endMs,
  type Line,
  lineAfter,
  nextTurnMs,
  type Pace,
  type SubscriptionId,
  stretched,
} from "@posthaste/domain";
import { inState } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { type LockedDelivery, lockDelivery, moveAll } from "../deliveries/move.ts";
import { waitUntil } from "../deliveries/transitions.ts";
import { inLine } from "../subscriptions/in-line.ts";
import { HOLD_DEFAULT_MS, lockTurns, type Turns, writeTurns } from "../subscriptions/pace.ts";
import { halfOf, hasPlace, inFlightOf } from "./places.ts";

/**
 * A wait this short takes place in the attempt's own process: another round through Temporal would take
 * longer.
 */
const IN_PLACE_MAX_MS = 1_000;
/** A turn expires this long after the attempt's timeout. Writing its result is retried for 25 s. */
const LEASE_SLACK_MS = 45_000;
/** Minimum distance between the turns of two retries of a full subscription. */
const STEP_MIN_MS = 5;

export type Turn =
  /** Send at this time, at most {@link IN_PLACE_MAX_MS} from now. */
  | { readonly kind: "go"; readonly atMs: number }
  /** Ask again at this time, which is written to the delivery as its next attempt. */
  | { readonly kind: "wait"; readonly untilMs: number }
  /** A first attempt that cannot be sent now: the delivery is pending again. */
  | { readonly kind: "unclaimed" };

/**
 * Decides whether an attempt may be sent now, for all workers together.
 *
 * A first attempt was admitted when it was claimed, and only needs the moment to send it. A retry also has to
 * find room. If there is none, or others wait, it takes its place in line and waits for its position ÷ the
 * rate. The rate is the owner's, or the one that the subscription achieves: its concurrency ÷ the recent
 * duration of its attempts. A first attempt cannot wait in line, because it has no log to replay: its
 * delivery becomes pending again.
 */
export async function takeTurn(
  store: Store,
  ask: {
    deliveryId: DeliveryId;
    subscriptionId: SubscriptionId;
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
  const { deliveryId, subscriptionId, pace, now } = ask;
  const row = await lockDelivery(store, tx, deliveryId);
  if (row === undefined) throw new Error(`delivery ${deliveryId} does not exist`);
  const isFirst = row.attempts === 0;
  const later = async (isFull: boolean) =>
    isFirst ? await unclaim(tx, row, now) : await standInLine(tx, ask, row, turns, isFull);
  let { line, gate } = turns;
  const isAdmitted = hasPlace(row, now);
  if (!isAdmitted) {
    const isFull = await isFullFor(store, tx, ask, isFirst);
    const isEarly = row.turn_at === null && pace.rate !== null && nextTurnMs(line, pace.rate) > now;
    if (isFull || isEarly) return await later(isFull);
    if (row.turn_at === null && pace.rate !== null) line = lineAfter(line, pace.rate, now);
  }
  const atMs = pace.rate === null ? now : Math.max(now, nextTurnMs(gate, pace.rate));
  if (atMs - now > IN_PLACE_MAX_MS) return await later(false);
  if (pace.rate !== null) {
    gate = lineAfter(gate, pace.rate, atMs);
    await writeTurns(tx, subscriptionId, { line, gate });
  }
  if (!isAdmitted) {
    await moveAll(tx, "take_turn", [row], { lease_until: now + ask.timeoutMs + LEASE_SLACK_MS }, now);
  }
  return { kind: "go", atMs };
}

async function isFullFor(
  store: Store,
  tx: Tx,
  { subscriptionId, pace, now }: Ask,
  isFirst: boolean,
): Promise<boolean> {
  const { total, firstAttempts } = (await inFlightOf(tx, [subscriptionId], now))(subscriptionId);
  if (total >= pace.concurrency) return true;
  if (isFirst || pace.rate !== null || total - firstAttempts < halfOf(pace.concurrency)) return false;
  const waiting = await inState(store, tx, { subscriptionId, state: "pending" })
    .select("id")
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", "<", now)]))
    .limit(1)
    .executeTakeFirst();
  return waiting !== undefined;
}

async function standInLine(
  tx: Tx,
  { subscriptionId, pace, now }: Ask,
  row: LockedDelivery,
  { line, gate, holdMs }: Turns,
  isFull: boolean,
): Promise<Turn> {
  const byRate = pace.rate === null ? line : lineAfter(line, pace.rate, now);
  const stepMs = isFull ? Math.max(STEP_MIN_MS, (holdMs || HOLD_DEFAULT_MS) / pace.concurrency) : 0;
  const next = Math.max(byRate, stretched(line, now, stepMs)) as Line;
  const turnMs = pace.rate === null || isFull ? endMs(next) : nextTurnMs(line, pace.rate);
  const untilMs = Math.ceil(Math.max(turnMs, now + 1));
  await writeTurns(tx, subscriptionId, { line: next, gate });
  await moveAll(tx, "reserve_turn", [row], waitUntil(untilMs), now);
  return { kind: "wait", untilMs };
}

async function unclaim(tx: Tx, row: LockedDelivery, now: number): Promise<Turn> {
  await moveAll(tx, "unclaim", [row], { next_attempt_at: now }, now);
  return { kind: "unclaimed" };
}
