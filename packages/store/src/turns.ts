import {
  after,
  type DeliveryId,
  endMs,
  type Line,
  nextTurnMs,
  type Pace,
  type Rate,
  type SubscriptionId,
  stretched,
} from "@posthaste/domain";
import { type Selectable, sql } from "kysely";
import { logChanges } from "./delivery-changes.ts";
import { RECONCILE_GRACE_MS } from "./overdue.ts";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";
import { type Tx, transact } from "./transact.ts";

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

/** What is claimed or under way. A lease that ran out does not count, or a crashed worker would take room for ever. */
async function inFlight(tx: Tx, subscriptionId: SubscriptionId, now: number): Promise<number> {
  return (await inFlightOf(tx, [subscriptionId], now)).get(subscriptionId) ?? 0;
}

/** The same of several; where there is nothing, none. */
export async function inFlightOf(
  tx: Tx,
  ids: readonly SubscriptionId[],
  now: number,
): Promise<Map<SubscriptionId, number>> {
  const rows = await tx
    .selectFrom("deliveries")
    .select((eb) => ["in_flight_of", eb.fn.countAll().as("count")])
    .where("in_flight_of", "in", ids)
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", ">=", now)]))
    .groupBy("in_flight_of")
    .execute();
  return new Map(rows.map((row) => [row.in_flight_of as SubscriptionId, Number(row.count)]));
}

/**
 * Asks whether an attempt may be made now, for all workers together.
 *
 * A first attempt was let in when it was claimed; only the moment of its sending is to be found. A retry has to find
 * room, too: where there is none, or others wait, it takes its place in line, which is its position ÷ the rate. Rate
 * means the owner's, or what the subscription gets done: its concurrency ÷ how long its attempts take of late.
 */
export async function takeTurn(
  store: Store,
  ask: {
    deliveryId: DeliveryId;
    subscriptionId: SubscriptionId;
    pace: Pace;
    /** How long the attempt may take. */
    timeoutMs: number;
    now: number;
  },
): Promise<Turn> {
  const { deliveryId, subscriptionId, pace, now } = ask;
  return await transact(store, async (tx) => {
    const turns = await lockTurns(store, tx, subscriptionId);
    const { in_flight_of, turn_at } = await tx
      .selectFrom("deliveries")
      .select(["in_flight_of", "turn_at"])
      .where("id", "=", deliveryId)
      .executeTakeFirstOrThrow();
    const isFirst = in_flight_of !== null;
    let { line, gate } = turns;
    if (!isFirst) {
      const isFull = (await inFlight(tx, subscriptionId, now)) >= pace.concurrency;
      const isEarly = turn_at === null && pace.rate !== null && nextTurnMs(line, pace.rate) > now;
      if (isFull || isEarly) return await standInLine(tx, ask, turns, isFull);
      if (turn_at === null && pace.rate !== null) line = after(line, pace.rate, now);
    }
    const atMs = pace.rate === null ? now : Math.max(now, nextTurnMs(gate, pace.rate));
    if (atMs - now > IN_PLACE_MAX_MS) {
      return isFirst ? await unclaim(tx, deliveryId, now) : await standInLine(tx, ask, turns, false);
    }
    if (pace.rate !== null) {
      gate = after(gate, pace.rate, atMs);
      await writeTurns(tx, subscriptionId, { line, gate });
    }
    if (!isFirst) {
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
  });
}

/** How long retries take of late, so that those in line are told a time that is near the truth. */
export async function noteHold(tx: Tx, id: SubscriptionId, durationMs: number): Promise<void> {
  await tx
    .updateTable("turns")
    .set({ hold_ms: sql<number>`round((hold_ms * 3 + ${durationMs}) / 4)` })
    .where("subscription_id", "=", id)
    .execute();
}

async function standInLine(
  tx: Tx,
  { deliveryId, subscriptionId, pace, now }: Parameters<typeof takeTurn>[1],
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
    .set({ turn_at: untilMs, next_attempt_at: untilMs, reconcile_after: untilMs + RECONCILE_GRACE_MS })
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
