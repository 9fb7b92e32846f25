import {
  after,
  type DeliveryId,
  EMPTY_LINE,
  endMs,
  type Line,
  nextTurnMs,
  type Pace,
  type Rate,
  type SubscriptionId,
  stretched,
} from "@posthaste/domain";
import { type Selectable, sql } from "kysely";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { logChanges } from "../deliveries/delivery-changes.ts";
import { RECONCILE_GRACE_MS } from "./overdue.ts";

/** A wait this short is waited where the attempt is: another round through Temporal would take longer. */
const IN_PLACE_MAX_MS = 1_000;
/** What an attempt is taken to take while none was measured. */
export const HOLD_DEFAULT_MS = 1_000;
/** A turn is void this long after the longest that its attempt can take: the write of its result is tried for 25 s. */
const LEASE_SLACK_MS = 45_000;
/** No two of a full subscription's retries are told to come nearer together than this. */
const STEP_MIN_MS = 5;

/** Where a subscription's attempts stand in line; `line` admits, `gate` sends. */
export type Turns = { readonly line: Line; readonly gate: Line; readonly holdMs: number };

export type Turn =
  /** Send at this time, at most {@link IN_PLACE_MAX_MS} from now. */
  | { readonly kind: "go"; readonly atMs: number }
  /** Come again then; it is written down as the delivery's next attempt. */
  | { readonly kind: "wait"; readonly untilMs: number }
  /** A first attempt that cannot be sent now: it is pending again. */
  | { readonly kind: "unclaimed" };

/** The columns that {@link ownPaceOf} reads. */
export const PACE_COLUMNS = ["rate_per_1000s", "rate_burst", "concurrency"] as const;

/** What its owner chose. */
export function ownPaceOf(
  row: Pick<Selectable<Tables["subscriptions"]>, (typeof PACE_COLUMNS)[number]>,
  concurrencyDefault: number,
): Pace {
  return { rate: rateOf(row), concurrency: row.concurrency ?? concurrencyDefault };
}

export function rateOf(
  row: Pick<Selectable<Tables["subscriptions"]>, "rate_per_1000s" | "rate_burst">,
): Rate | null {
  if (row.rate_per_1000s === null) return null;
  return { perSecond: row.rate_per_1000s / 1_000, burst: row.rate_burst ?? 1 };
}

/** Reads a subscription's line and keeps other workers from it until the transaction is over. */
export async function lockTurns(store: Store, tx: Tx, id: SubscriptionId): Promise<Turns> {
  const turns = (await lockAllTurns(store, tx, [id])).get(id);
  if (turns === undefined) throw new Error(`there is no line of subscription ${id}`);
  return turns;
}

/**
 * The same of several, which are locked from the least id on, so that two who lock many never wait for each other.
 *
 * @returns in the order that was asked for
 */
export async function lockAllTurns(
  store: Store,
  tx: Tx,
  ids: readonly SubscriptionId[],
): Promise<Map<SubscriptionId, Turns>> {
  const query = tx
    .selectFrom("turns")
    .selectAll()
    .where("subscription_id", "in", ids)
    .orderBy("subscription_id");
  const rows = await (store.seam.locksRows ? query.forUpdate() : query).execute();
  const found = new Map<number, Turns>(
    rows.map((row) => [
      row.subscription_id,
      { line: row.line_us as Line, gate: row.gate_us as Line, holdMs: row.hold_ms },
    ]),
  );
  return new Map(
    ids.flatMap((id) => {
      const turns = found.get(id);
      return turns === undefined ? [] : [[id, turns]];
    }),
  );
}

export async function writeTurns(
  tx: Tx,
  id: SubscriptionId,
  { line, gate }: Pick<Turns, "line" | "gate">,
): Promise<void> {
  await tx
    .updateTable("turns")
    .set({ line_us: line, gate_us: gate })
    .where("subscription_id", "=", id)
    .execute();
}

/** What is claimed or under way, and how much of it are first attempts. */
export type InFlight = { readonly total: number; readonly firsts: number };

/** Has nobody wait by a rate that is no longer the subscription's; who was told a time already comes then. */
export async function clearLine(tx: Tx, id: SubscriptionId): Promise<void> {
  await writeTurns(tx, id, { line: EMPTY_LINE, gate: EMPTY_LINE });
  await tx.deleteFrom("turn_slots").where("subscription_id", "=", id).execute();
}

/**
 * What is claimed or under way of these subscriptions; of others nothing is. A lease that ran out does not count, or a
 * crashed worker would take room for ever.
 */
export async function inFlightOf(
  tx: Tx,
  ids: readonly SubscriptionId[],
  now: number,
): Promise<(id: SubscriptionId) => InFlight> {
  const rows = await tx
    .selectFrom("deliveries")
    .select((eb) => [
      "in_flight_of",
      eb.fn.countAll().as("total"),
      eb.fn.sum(eb.case().when("attempts", "=", 0).then(1).else(0).end()).as("firsts"),
    ])
    .where("in_flight_of", "in", ids)
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", ">=", now)]))
    .groupBy("in_flight_of")
    .execute();
  const found = new Map(
    rows.map((row) => [row.in_flight_of, { total: Number(row.total), firsts: Number(row.firsts) }]),
  );
  return (id) => found.get(id) ?? { total: 0, firsts: 0 };
}

/** How many of its places first attempts have while retries wait for one, too, and the other way round. */
export function halfOf(concurrency: number): number {
  return Math.ceil(concurrency / 2);
}

/** Whether a delivery has its place among those under way: since its claim, or since its turn came. */
export function hasPlace(
  row: Pick<Selectable<Tables["deliveries"]>, "in_flight_of" | "lease_until">,
  now: number,
): boolean {
  return row.in_flight_of !== null && (row.lease_until === null || row.lease_until >= now);
}

/**
 * Asks whether an attempt may be made now, for all workers together.
 *
 * A first attempt was let in when it was claimed; only the moment of its sending is to be found. A retry has to find
 * room, too: where there is none, or others wait, it takes its place in line, which is its position ÷ the rate. Rate
 * means the owner's, or what the subscription gets done: its concurrency ÷ how long its attempts take of late. A first
 * attempt cannot wait like that, for it has no log to replay: it is pending again.
 */
export async function takeTurn(
  store: Store,
  ask: {
    deliveryId: DeliveryId;
    subscriptionId: SubscriptionId;
    pace: Pace;
    /** How long the attempt may take. */
    timeoutMs: number;
    now: () => number | Promise<number>;
  },
): Promise<Turn> {
  return await transact(store, async (tx) => {
    const turns = await lockTurns(store, tx, ask.subscriptionId);
    // Under the lock: those that waited for it would else be sent in a heap.
    return await turnOf(store, tx, { ...ask, now: await ask.now() }, turns);
  });
}

type Ask = Omit<Parameters<typeof takeTurn>[1], "now"> & { readonly now: number };

async function turnOf(store: Store, tx: Tx, ask: Ask, turns: Turns): Promise<Turn> {
  const { deliveryId, subscriptionId, pace, now } = ask;
  const row = await tx
    .selectFrom("deliveries")
    .select(["attempts", "in_flight_of", "lease_until", "turn_at"])
    .where("id", "=", deliveryId)
    .executeTakeFirstOrThrow();
  const isFirst = row.attempts === 0;
  const later = async (isFull: boolean) =>
    isFirst ? await unclaim(tx, deliveryId, now) : await standInLine(tx, ask, turns, isFull);
  let { line, gate } = turns;
  const isLetIn = hasPlace(row, now);
  if (!isLetIn) {
    const isFull = await isFullFor(store, tx, ask, isFirst);
    const isEarly = row.turn_at === null && pace.rate !== null && nextTurnMs(line, pace.rate) > now;
    if (isFull || isEarly) return await later(isFull);
    if (row.turn_at === null && pace.rate !== null) line = after(line, pace.rate, now);
  }
  const atMs = pace.rate === null ? now : Math.max(now, nextTurnMs(gate, pace.rate));
  if (atMs - now > IN_PLACE_MAX_MS) return await later(false);
  if (pace.rate !== null) {
    gate = after(gate, pace.rate, atMs);
    await writeTurns(tx, subscriptionId, { line, gate });
  }
  if (!isLetIn) {
    await tx
      .updateTable("deliveries")
      .set({
        in_flight_of: subscriptionId,
        lease_until: now + ask.timeoutMs + LEASE_SLACK_MS,
        turn_at: null,
      })
      .where("id", "=", deliveryId)
      .execute();
  }
  return { kind: "go", atMs };
}

/** How long retries take of late, so that those in line are told a time that is near the truth. */
export async function noteHold(tx: Tx, id: SubscriptionId, durationMs: number): Promise<void> {
  await tx
    .updateTable("turns")
    .set({ hold_ms: sql<number>`round((hold_ms * 3 + ${durationMs}) / 4)` })
    .where("subscription_id", "=", id)
    .execute();
}

async function isFullFor(
  store: Store,
  tx: Tx,
  { subscriptionId, pace, now }: Ask,
  isFirst: boolean,
): Promise<boolean> {
  const { total, firsts } = (await inFlightOf(tx, [subscriptionId], now))(subscriptionId);
  if (total >= pace.concurrency) return true;
  if (isFirst || pace.rate !== null || total - firsts < halfOf(pace.concurrency)) return false;
  const waiting = await tx
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_state"))
    .select("id")
    .where("state", "=", "pending")
    .where("subscription_id", "=", subscriptionId)
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", "<", now)]))
    .limit(1)
    .executeTakeFirst();
  return waiting !== undefined;
}

async function standInLine(
  tx: Tx,
  { deliveryId, subscriptionId, pace, now }: Ask,
  { line, gate, holdMs }: Turns,
  isFull: boolean,
): Promise<Turn> {
  const byRate = pace.rate === null ? line : after(line, pace.rate, now);
  const stepMs = isFull ? Math.max(STEP_MIN_MS, (holdMs || HOLD_DEFAULT_MS) / pace.concurrency) : 0;
  const next = Math.max(byRate, stretched(line, now, stepMs)) as Line;
  const turnMs = pace.rate === null || isFull ? endMs(next) : nextTurnMs(line, pace.rate);
  const untilMs = Math.ceil(Math.max(turnMs, now + 1));
  await writeTurns(tx, subscriptionId, { line: next, gate });
  await tx
    .updateTable("deliveries")
    .set({
      turn_at: untilMs,
      next_attempt_at: untilMs,
      reconcile_after: untilMs + RECONCILE_GRACE_MS,
      in_flight_of: null,
      lease_until: null,
    })
    .where("id", "=", deliveryId)
    .where("state", "=", "started")
    .execute();
  return { kind: "wait", untilMs };
}

async function unclaim(tx: Tx, deliveryId: DeliveryId, now: number): Promise<Turn> {
  await tx
    .updateTable("deliveries")
    .set({
      state: "pending",
      in_flight_of: null,
      lease_owner: null,
      lease_until: null,
      reconcile_after: null,
    })
    .where("id", "=", deliveryId)
    .where("state", "in", ["pending", "started"])
    .execute();
  await logChanges(tx, [deliveryId], now);
  return { kind: "unclaimed" };
}
