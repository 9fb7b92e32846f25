import {
  type DeliveryId,
  type DeliveryState,
  DISABLE_RULE,
  type DisableRule,
  isTerminal,
  type Pace,
  type SubscriptionId,
  type TerminalState,
} from "@posthaste/domain";
import type { Selectable, Updateable } from "kysely";
import type { Settled } from "../database/group-commit.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { logChanges } from "../deliveries/delivery-changes.ts";
import { RECONCILE_GRACE_MS } from "../dispatch/overdue.ts";
import { reserveIn } from "../dispatch/reserve-turn.ts";
import { noteHold } from "../dispatch/turns.ts";
import { cancelOpenDeliveries, SETTLED } from "../lifecycle/end-subscription.ts";
import { noteHealth } from "../lifecycle/note-health.ts";
import { parkAllPending } from "../lifecycle/park-deliveries.ts";
import { type Attempt, attemptRow } from "./attempts.ts";

export type AttemptToRecord = {
  readonly deliveryId: DeliveryId;
  readonly attempt: Attempt;
  /** The delivery's state after it. */
  readonly state: "started" | TerminalState;
  /** When the next attempt is due; null where none is. */
  readonly nextAttemptAt: number | null;
  /** The next attempt gets its time among the others of its subscription, by this pace. Default: it is made when it is due. */
  readonly pace?: Pace;
  readonly endedReason: string | null;
  /** The subscription was not failing when the attempt began, so that a success changes nothing. */
  readonly wasHealthy?: boolean;
  /** Default: {@link DISABLE_RULE}. */
  readonly disableRule?: DisableRule;
  /**
   * No workflow carries the delivery yet. The reconciler starts one soon, unless whoever made the attempt says by
   * {@link markHandedOver} that there is one.
   */
  readonly isHandedOver?: boolean;
  readonly now: number;
};

export type RecordedAttempt = {
  /** `already_recorded`: its number is taken. Two workers made the attempt, and this one came second. */
  readonly kind: "recorded" | "already_recorded";
  /** When the next attempt is to be made; null where none is, or it is not this one's to say. */
  readonly nextAttemptAt: number | null;
};

/** How long the reconciler leaves a delivery alone that waits for its workflow: longer than a start takes. */
const HAND_OVER_GRACE_MS = 15_000;

/** Writes one attempt; see {@link recordAttempts}. */
export async function recordAttempt(store: Store, record: AttemptToRecord): Promise<RecordedAttempt> {
  const [one] = await recordAttempts(store, [record]);
  if (one === undefined) throw new Error("the attempt was not recorded");
  if ("error" in one) throw one.error;
  return one.result;
}

/**
 * Writes attempts and what follows from them, in one transaction.
 *
 * Two workers may have made the same attempt (one was taken for dead). The row's `attempts` lets only one write, and
 * the other learns that it came second: rows are read under their lock, in the order of their ids, so that what is decided
 * here still holds when it is written, and two groups that share rows do not wait for each other in a circle. A delivery
 * that was cancelled during the attempt stays cancelled: its log tells what the receiver said nevertheless.
 */
export async function recordAttempts(
  store: Store,
  records: readonly AttemptToRecord[],
): Promise<Settled<RecordedAttempt>[]> {
  const { settled, follow } = await transact(store, async (tx) => {
    const rows = await lockRows(store, tx, records);
    const settled: Settled<RecordedAttempt>[] = [];
    const written: Written[] = [];
    for (const record of records) {
      const row = rows.get(record.deliveryId);
      if (row === undefined) settled.push({ error: new Error(`there is no delivery ${record.deliveryId}`) });
      else if (row.attempts !== record.attempt.number - 1) {
        settled.push({ result: { kind: "already_recorded", nextAttemptAt: null } });
      } else {
        const nextAttemptAt = await nextOf(store, tx, record, row);
        settled.push({ result: { kind: "recorded", nextAttemptAt } });
        written.push({ record, row: { ...row }, nextAttemptAt });
        row.attempts = record.attempt.number;
        if (!isTerminal(row.state)) row.state = record.state;
      }
    }
    await writeAll(tx, written);
    return { settled, follow: await noteAll(store, tx, written) };
  });
  for (const { next, subscriptionId, now } of follow) {
    if (next === "cancel") await cancelOpenDeliveries(store, subscriptionId, now);
    else await parkAllPending(store, subscriptionId, now);
  }
  return settled;
}

export type HandedOver = { readonly id: DeliveryId; readonly nextAttemptAt: number };

/** The workflows of these deliveries were started: from now on they are looked at when their next attempt is overdue. */
export async function markHandedOver(store: Store, handed: readonly HandedOver[]): Promise<void> {
  if (handed.length === 0) return;
  await transact(store, async (tx) => {
    for (const { id, nextAttemptAt } of handed) {
      await tx
        .updateTable("deliveries")
        .set({ reconcile_after: nextAttemptAt + RECONCILE_GRACE_MS })
        .where("id", "=", id)
        .where("state", "=", "started")
        .where("next_attempt_at", "=", nextAttemptAt)
        .execute();
    }
  });
}

type Row = Pick<
  Selectable<Tables["deliveries"]>,
  "id" | "state" | "attempts" | "account_id" | "event_id" | "event_type" | "subscription_id" | "test"
>;
type Written = {
  readonly record: AttemptToRecord;
  /** As it was before. */
  readonly row: Row;
  readonly nextAttemptAt: number | null;
};

async function lockRows(
  store: Store,
  tx: Tx,
  records: readonly AttemptToRecord[],
): Promise<Map<string, Row>> {
  const query = tx
    .selectFrom("deliveries")
    .select(["id", "state", "attempts", "account_id", "event_id", "event_type", "subscription_id", "test"])
    .where("id", "in", [...new Set(records.map(({ deliveryId }) => deliveryId))].sort())
    .orderBy("id");
  const rows = await (store.seam.locksRows ? query.forUpdate() : query).execute();
  return new Map(rows.map((row) => [row.id, row]));
}

async function nextOf(
  store: Store,
  tx: Tx,
  { pace, nextAttemptAt: dueMs, now }: AttemptToRecord,
  row: Row,
): Promise<number | null> {
  if (dueMs === null || pace === undefined || isTerminal(row.state)) return dueMs;
  return await reserveIn(store, tx, {
    subscriptionId: row.subscription_id as SubscriptionId,
    pace,
    dueMs,
    now,
  });
}

async function writeAll(tx: Tx, written: readonly Written[]): Promise<void> {
  if (written.length === 0) return;
  const now = Math.max(...written.map(({ record }) => record.now));
  for (const { ids, values } of alike(written, now)) {
    await tx.updateTable("deliveries").set(values).where("id", "in", ids).execute();
  }
  const attempts = written.map(({ record }) => attemptRow(record.deliveryId, record.attempt));
  await insertRows(tx, "attempts", attempts, (row) => row.response_body.length);
  await logChanges(tx, [...new Set(written.map(({ row }) => row.id))], now);
}

/** Most of a group come to the same: one statement moves them. */
function alike(
  written: readonly Written[],
  now: number,
): Iterable<{ ids: string[]; values: Updateable<Tables["deliveries"]> }> {
  const groups = new Map<string, { ids: string[]; values: Updateable<Tables["deliveries"]> }>();
  for (const one of written) {
    const values = valuesOf(one, now);
    const key = JSON.stringify(values);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { ids: [one.row.id], values });
    else group.ids.push(one.row.id);
  }
  return groups.values();
}

function valuesOf({ record, row, nextAttemptAt }: Written, now: number): Updateable<Tables["deliveries"]> {
  const { attempt } = record;
  const counted = {
    attempts: attempt.number,
    last_outcome: attempt.outcome,
    last_status: attempt.status,
    in_flight_of: null,
    turn_at: record.pace === undefined ? null : nextAttemptAt,
  };
  return { ...counted, ...movedOn(record, row.state, nextAttemptAt, now) };
}

function movedOn(
  { state, endedReason, isHandedOver = false }: AttemptToRecord,
  before: DeliveryState,
  nextAttemptAt: number | null,
  now: number,
): Updateable<Tables["deliveries"]> {
  if (isTerminal(before)) return {};
  if (isTerminal(state)) return { ...SETTLED, state, ended_at: now, ended_reason: endedReason };
  return {
    state,
    next_attempt_at: nextAttemptAt,
    reconcile_after: reconcileAfter(nextAttemptAt, isHandedOver, now),
    lease_owner: null,
    lease_until: null,
  };
}

function reconcileAfter(nextAttemptAt: number | null, isHandedOver: boolean, now: number): number | null {
  if (isHandedOver) return now + HAND_OVER_GRACE_MS;
  return nextAttemptAt === null ? null : nextAttemptAt + RECONCILE_GRACE_MS;
}

type Follow = {
  readonly next: "cancel" | "park";
  readonly subscriptionId: SubscriptionId;
  readonly now: number;
};

/** What the attempts say of their subscriptions. */
async function noteAll(store: Store, tx: Tx, written: readonly Written[]): Promise<Follow[]> {
  const follow: Follow[] = [];
  for (const { record, row } of written) {
    const { attempt, now } = record;
    const subscriptionId = row.subscription_id as SubscriptionId;
    if (attempt.number > 1) await noteHold(tx, subscriptionId, attempt.durationMs);
    // What a test comes to says nothing of the subscription.
    if (row.test === 1) continue;
    const next = await noteHealth(store, tx, {
      delivery: row,
      outcome: attempt.outcome,
      status: attempt.status,
      number: attempt.number,
      isExhausted: record.state === "exhausted",
      wasHealthy: record.wasHealthy ?? false,
      rule: record.disableRule ?? DISABLE_RULE,
      now,
    });
    if (next !== undefined) follow.push({ next, subscriptionId, now });
  }
  return follow;
}
