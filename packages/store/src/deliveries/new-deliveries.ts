import type { AccountId, CreationCause, DeliveryId, EventId, RecoveryId } from "@posthaste/domain";
import type { Insertable } from "kysely";
import { Contended } from "../database/contended.ts";
import { newDeliveryId } from "../database/ids.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";
import type { Match } from "../subscriptions/match-subscriptions.ts";

/**
 * Deliveries of one event to one subscription. Whoever sends it again reads all of them, in steps for
 * hundreds of events at once, and nobody needs it sent as often.
 */
export const SENT_MAX = 200;

export type DeliveryRow = Insertable<Tables["deliveries"]>;

/** The event that a delivery is created for. */
export type DeliveryOrigin = {
  readonly accountId: AccountId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly now: number;
  readonly traceparent?: string | null | undefined;
  /** Its first attempt comes after those before it. Default: when it can. */
  readonly isInOrder?: boolean;
  /** The delivery that it sends again. Default: none. */
  readonly resendOf?: DeliveryId;
  /** The recovery or replay that creates it. Default: none. */
  readonly recoveryId?: RecoveryId;
};

/** Returns the row of one event's delivery to one match. */
export function deliveryRow(origin: DeliveryOrigin, match: Match): DeliveryRow {
  return {
    id: newDeliveryId(origin.now),
    account_id: origin.accountId,
    event_id: origin.eventId,
    event_type: origin.eventType,
    subscription_id: match.subscriptionId,
    target_key: match.targetHash,
    state: match.parks ? "parked" : "pending",
    attempts: 0,
    next_attempt_at: match.parks ? null : origin.now,
    test: 0,
    in_order: origin.isInOrder === true ? 1 : 0,
    traceparent: origin.traceparent ?? null,
    resend_of: origin.resendOf ?? null,
    recovery_id: origin.recoveryId ?? null,
    created_at: origin.now,
  };
}

/**
 * Inserts deliveries and logs their creation.
 *
 * @param cause why they were created. With `ingested`, the first delivery of each event is logged as
 *   `ingested` and its others as `fanned_out`
 */
export async function insertDeliveries(
  tx: Tx,
  rows: readonly DeliveryRow[],
  cause: CreationCause,
): Promise<void> {
  await insertRows(tx, "deliveries", rows);
  const seen = new Set<EventId>();
  const changes = rows.map((row) => {
    const isFurther = cause === "ingested" && seen.has(row.event_id);
    seen.add(row.event_id);
    return changeRow(row, isFurther ? "fanned_out" : cause);
  });
  await insertRows(tx, "delivery_changes", changes);
}

/**
 * Inserts deliveries that did not exist when the caller looked.
 *
 * @throws Contended if another transaction inserted one of them meanwhile; the next run sees its row
 */
export async function insertUnlessTaken(
  store: Store,
  tx: Tx,
  rows: readonly DeliveryRow[],
  cause: CreationCause,
): Promise<void> {
  try {
    await insertDeliveries(tx, rows, cause);
  } catch (error) {
    if (!store.seam.isDuplicate(error)) throw error;
    throw new Contended("another transaction created a delivery first", { cause: error });
  }
}

function changeRow(row: DeliveryRow, cause: CreationCause): Insertable<Tables["delivery_changes"]> {
  return {
    account_id: row.account_id,
    delivery_id: row.id,
    event_id: row.event_id,
    event_type: row.event_type,
    subscription_id: row.subscription_id,
    cause,
    state: row.state,
    attempts: row.attempts,
    attempt_ms: null,
    last_outcome: row.last_outcome ?? null,
    last_status: row.last_status ?? null,
    changed_at: row.created_at,
  };
}
