import {
  type DeliveryId,
  type DeliveryState,
  DISABLE_RULE,
  type DisableRule,
  isTerminal,
  type SubscriptionId,
  type TerminalState,
} from "@posthaste/domain";
import { type Attempt, attemptRow } from "./attempts.ts";
import { logChanges } from "./delivery-changes.ts";
import { cancelOpenDeliveries, SETTLED } from "./end-subscription.ts";
import { noteHealth } from "./note-health.ts";
import { RECONCILE_GRACE_MS } from "./overdue.ts";
import { parkAllPending } from "./park-deliveries.ts";
import type { Store } from "./store.ts";
import { type Tx, transact } from "./transact.ts";
import { noteHold } from "./turns.ts";

export type AttemptToRecord = {
  readonly deliveryId: DeliveryId;
  readonly attempt: Attempt;
  /** The delivery's state after it. */
  readonly state: "started" | TerminalState;
  /** When the next attempt is due; null where none is. */
  readonly nextAttemptAt: number | null;
  /** That time was reserved by {@link reserveTurn}. */
  readonly isReserved?: boolean;
  readonly endedReason: string | null;
  /** The subscription was not failing when the attempt began, so that a success changes nothing. */
  readonly wasHealthy?: boolean;
  /** Default: {@link DISABLE_RULE}. */
  readonly disableRule?: DisableRule;
  readonly now: number;
};

/**
 * Writes an attempt and what follows from it, in one transaction.
 *
 * Two workers may have made the same attempt (one was taken for dead). The row's `attempts` lets only one write, and
 * the other learns that it came second. A delivery that was cancelled during the attempt stays cancelled: its log
 * tells what the receiver said nevertheless.
 */
export async function recordAttempt(
  store: Store,
  record: AttemptToRecord,
): Promise<"recorded" | "already_recorded"> {
  const { deliveryId, now } = record;
  const done = await transact(store, async (tx) => {
    const query = tx
      .selectFrom("deliveries")
      .select(["id", "state", "account_id", "event_id", "event_type", "subscription_id", "test"])
      .where("id", "=", deliveryId);
    const row = await (store.seam.locksRows ? query.forUpdate() : query).executeTakeFirstOrThrow();
    if (!(await moveOn(tx, record, row.state))) return undefined;
    await tx.insertInto("attempts").values(attemptRow(deliveryId, record.attempt)).execute();
    await logChanges(tx, [deliveryId], now);
    const subscriptionId = row.subscription_id as SubscriptionId;
    if (record.attempt.number > 1) await noteHold(tx, subscriptionId, record.attempt.durationMs);
    // What a test comes to says nothing of the subscription.
    if (row.test === 1) return { subscriptionId, next: undefined };
    const { number, outcome, status } = record.attempt;
    const next = await noteHealth(store, tx, {
      delivery: row,
      outcome,
      status,
      number,
      isExhausted: record.state === "exhausted",
      wasHealthy: record.wasHealthy ?? false,
      rule: record.disableRule ?? DISABLE_RULE,
      now,
    });
    return { subscriptionId, next };
  });
  if (done === undefined) return "already_recorded";
  if (done.next === "cancel") await cancelOpenDeliveries(store, done.subscriptionId, now);
  if (done.next === "park") await parkAllPending(store, done.subscriptionId, now);
  return "recorded";
}

/** False where this attempt's number is taken. */
async function moveOn(tx: Tx, record: AttemptToRecord, before: DeliveryState): Promise<boolean> {
  const { attempt, now } = record;
  const counted = {
    attempts: attempt.number,
    last_outcome: attempt.outcome,
    last_status: attempt.status,
    in_flight_of: null,
    turn_at: record.isReserved === true ? record.nextAttemptAt : null,
  };
  const open = {
    state: "started" as const,
    next_attempt_at: record.nextAttemptAt,
    reconcile_after: record.nextAttemptAt === null ? null : record.nextAttemptAt + RECONCILE_GRACE_MS,
    lease_owner: null,
    lease_until: null,
  };
  const settled = { ...SETTLED, state: record.state, ended_at: now, ended_reason: record.endedReason };
  const { numUpdatedRows } = await tx
    .updateTable("deliveries")
    .set({ ...counted, ...(isTerminal(before) ? {} : isTerminal(record.state) ? settled : open) })
    .where("id", "=", record.deliveryId)
    .where("attempts", "=", attempt.number - 1)
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}
