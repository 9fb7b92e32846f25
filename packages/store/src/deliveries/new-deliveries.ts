import type { AccountId, EventId } from "@posthaste/domain";
import type { Insertable } from "kysely";
import { newDeliveryId } from "../database/ids.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { Contended, type Tx } from "../database/transact.ts";
import type { Match } from "../subscriptions/match-subscriptions.ts";

type DeliveryRow = Insertable<Tables["deliveries"]>;

/** What a delivery is made for. */
export type DeliveryOrigin = {
  readonly accountId: AccountId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly now: number;
  readonly traceparent?: string | null | undefined;
};

/** The row of one event's delivery to one match. */
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
    created_at: origin.now,
    traceparent: origin.traceparent ?? null,
  };
}

/** Inserts deliveries and the log of their first state. What is logged is what is inserted: nothing is read for it. */
export async function insertDeliveries(tx: Tx, rows: readonly DeliveryRow[]): Promise<void> {
  await insertRows(tx, "deliveries", rows);
  await insertRows(tx, "delivery_changes", rows.map(changeRow));
}

/**
 * Inserts those deliveries that are not there yet: one event reaches one URL once, whoever comes first. A
 * fan-out and a replay may make the same one in either order, or at the same time.
 *
 * @returns how many were inserted
 * @throws Contended where another transaction inserted one meanwhile; run again, its row is seen
 */
export async function insertMissingDeliveries(
  store: Store,
  tx: Tx,
  rows: readonly DeliveryRow[],
): Promise<number> {
  const there = await keysThere(tx, rows);
  const missing = rows.filter((row) => !there.has(keyOf(row)));
  try {
    await insertDeliveries(tx, missing);
  } catch (error) {
    if (!store.seam.isDuplicate(error)) throw error;
    throw new Contended("a delivery was made meanwhile", { cause: error });
  }
  return missing.length;
}

async function keysThere(tx: Tx, rows: readonly DeliveryRow[]): Promise<Set<string>> {
  if (rows.length === 0) return new Set();
  const found = await tx
    .selectFrom("deliveries")
    .select(["event_id", "target_key"])
    .where("event_id", "in", [...new Set(rows.map((row) => row.event_id))])
    .where(
      "target_key",
      "in",
      rows.map((row) => row.target_key),
    )
    .execute();
  return new Set(found.map(keyOf));
}

function keyOf(row: Pick<DeliveryRow, "event_id" | "target_key">): string {
  return `${row.event_id} ${row.target_key.toString("hex")}`;
}

function changeRow(row: DeliveryRow): Insertable<Tables["delivery_changes"]> {
  return {
    account_id: row.account_id,
    delivery_id: row.id,
    event_id: row.event_id,
    event_type: row.event_type,
    subscription_id: row.subscription_id,
    state: row.state,
    attempts: row.attempts,
    last_outcome: row.last_outcome ?? null,
    last_status: row.last_status ?? null,
    changed_at: row.created_at,
  };
}
