import {
  type AccountId,
  type DeliveryId,
  type DeliveryState,
  type EventId,
  isTerminal,
  type Outcome,
  type RecoveryId,
  Refusal,
  type SubscriptionId,
} from "@posthaste/domain";
import type { Selectable } from "kysely";
import { auditedTime, enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { byIndex } from "../database/by-index.ts";
import { ID_SLACK_MS, leastDeliveryId } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { isNextAttempt, type LockedDelivery, lockDelivery, moveAll } from "./move.ts";
import { type Traits, whereTraits } from "./traits.ts";

/** One event on its way to one subscription. */
export type Delivery = {
  readonly id: DeliveryId;
  readonly accountId: AccountId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly subscriptionId: SubscriptionId;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly nextAttemptAt: number | null;
  readonly lastOutcome: Outcome | null;
  readonly lastStatus: number | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly endedReason: string | null;
  /** The delivery of a test event: attempted once, and marked as a test for its receiver. */
  readonly isTest: boolean;
  /** The trace context of its ingest; null: it was not traced. */
  readonly traceparent: string | null;
  /** The delivery that this one sends again; null: none, or an earlier release made it. */
  readonly resendOf: DeliveryId | null;
  /** The recovery or replay that created it, or the last one that asked for its retry; null: none. */
  readonly recoveryId: RecoveryId | null;
};

/** The reconciler checks a requested retry after this: it should have begun within a second. */
const RETRY_GRACE_MS = 15_000;

export async function getDelivery(
  store: Store,
  { accountId, id }: { accountId: AccountId; id: DeliveryId },
): Promise<Delivery | undefined> {
  const row = await store.db
    .selectFrom("deliveries")
    .selectAll()
    .where("id", "=", id)
    .where("account_id", "=", accountId)
    .executeTakeFirst();
  return row && deliveryOf(row);
}

/**
 * Returns the newest delivery that sends this one again; undefined: none.
 *
 * @param delivery a delivery of the caller's account
 */
export async function resentAs(
  store: Store,
  { id, eventId, subscriptionId }: Pick<Delivery, "id" | "eventId" | "subscriptionId">,
): Promise<DeliveryId | undefined> {
  const row = await store.db
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
    .select("id")
    .where("event_id", "=", eventId)
    .where("subscription_id", "=", subscriptionId)
    .where("resend_of", "=", id)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

export type DeliveryFilter = {
  readonly accountId: AccountId;
  readonly subscriptionId?: SubscriptionId;
  readonly eventId?: EventId;
  readonly state?: DeliveryState;
  /** Inclusive. */
  readonly createdFrom?: number;
  /** Exclusive. */
  readonly createdBefore?: number;
  readonly before?: DeliveryId;
  readonly limit: number;
};

/** How many deliveries a search for traits examines; reading this many takes some milliseconds. */
const EXAMINED_MAX = 10_000;

/** Returns an account's deliveries before `before`, newest first, by any combination of filters. */
export async function listDeliveries(store: Store, filter: DeliveryFilter): Promise<Delivery[]> {
  const rows = await filtered(store, filter).selectAll().limit(filter.limit).execute();
  return rows.map(deliveryOf);
}

/**
 * Returns deliveries with these traits, like {@link listDeliveries}.
 *
 * @param filter.examinedMax how many deliveries are examined. Default: {@link EXAMINED_MAX}
 * @returns `examinedTo`: the search stopped at this delivery with fewer than `limit` found; continue before
 *   it
 */
export async function searchDeliveries(
  store: Store,
  filter: DeliveryFilter & { readonly traits: Traits; readonly examinedMax?: number },
): Promise<{ rows: Delivery[]; examinedTo: DeliveryId | undefined }> {
  const { examinedMax = EXAMINED_MAX } = filter;
  const examined = filtered(store, filter).select("id").limit(examinedMax);
  const rows = await store.db
    .selectFrom(examined.as("examined"))
    .innerJoin("deliveries", "deliveries.id", "examined.id")
    .selectAll("deliveries")
    .where(whereTraits(filter.traits))
    .orderBy("deliveries.id", "desc")
    .limit(filter.limit)
    .execute();
  if (rows.length === filter.limit) return { rows: rows.map(deliveryOf), examinedTo: undefined };
  const last = filtered(store, filter)
    .select("id")
    .limit(1)
    .offset(examinedMax - 1);
  const end = await last.executeTakeFirst();
  return { rows: rows.map(deliveryOf), examinedTo: end?.id as DeliveryId | undefined };
}

function filtered(store: Store, filter: DeliveryFilter) {
  let query = tableFor(store, filter).where("account_id", "=", filter.accountId).orderBy("id", "desc");
  if (filter.subscriptionId !== undefined) query = query.where("subscription_id", "=", filter.subscriptionId);
  if (filter.eventId !== undefined) query = query.where("event_id", "=", filter.eventId);
  if (filter.state !== undefined) query = query.where("state", "=", filter.state);
  if (filter.before !== undefined) query = query.where("id", "<", filter.before);
  // Ids begin with the time of their creation, so a range of times is a range of the index.
  if (filter.createdFrom !== undefined) {
    query = query
      .where("id", ">=", leastDeliveryId(filter.createdFrom))
      .where("created_at", ">=", filter.createdFrom);
  }
  if (filter.createdBefore !== undefined) {
    query = query
      .where("id", "<", leastDeliveryId(filter.createdBefore + ID_SLACK_MS))
      .where("created_at", "<", filter.createdBefore);
  }
  return query;
}

/** Returns the table, read by the index that holds the rows of this filter in the order of their ids. */
function tableFor(store: Store, { eventId, subscriptionId, state }: DeliveryFilter) {
  if (eventId !== undefined && subscriptionId !== undefined) {
    return store.db.selectFrom(byIndex(store, "deliveries", "deliveries_by_event"));
  }
  // Most events have few deliveries: an index on `event_id` finds them, and they are sorted.
  if (eventId !== undefined) return store.db.selectFrom("deliveries");
  const scope = subscriptionId === undefined ? "account" : "subscription";
  const index = {
    account: state === undefined ? "deliveries_by_account" : "deliveries_by_account_state",
    subscription: state === undefined ? "deliveries_by_subscription" : "deliveries_by_state_and_account",
  } as const;
  return store.db.selectFrom(byIndex(store, "deliveries", index[scope]));
}

/**
 * Requests the next attempt of a waiting delivery now. `requested` is false if the attempt is already due or
 * in flight, so a second click has no effect.
 *
 * @returns undefined: not found
 * @throws Refusal `wrong_state` if the delivery has ended or is parked
 */
export async function requestRetry(
  store: Store,
  { accountId, id, now, by = BY_PROGRAM }: { accountId: AccountId; id: DeliveryId; now: number; by?: By },
): Promise<{ delivery: Delivery; requested: boolean } | undefined> {
  if ((await getDelivery(store, { accountId, id })) === undefined) return undefined;
  const requested = await transact(store, async (tx) => {
    const row = await lockDelivery(store, tx, id);
    if (row === undefined || (row.next_attempt_at ?? 0) <= now) return false;
    const times = { next_attempt_at: now, reconcile_after: now + RETRY_GRACE_MS };
    if ((await moveAll(tx, "request_retry", [row], times, now)).length === 0) return false;
    const before = { next_attempt_at: auditedTime(row.next_attempt_at) };
    const change = { before, after: { next_attempt_at: auditedTime(now) } };
    await enter(tx, [{ by, accountId, subject: "delivery", id, ...change, now }]);
    return true;
  });
  const delivery = await getDelivery(store, { accountId, id });
  if (delivery === undefined) return undefined;
  if (isTerminal(delivery.state) || delivery.state === "parked") {
    throw new Refusal(
      "wrong_state",
      `delivery ${id} is ${delivery.state}; only a pending or started delivery can be retried`,
      {
        field: "id",
      },
    );
  }
  return { delivery, requested };
}

/**
 * Cancels an open delivery; false: it had already ended, or has moved on.
 *
 * @param number cancels it only while this attempt is its next one. Default: whichever is
 * @param by who asked for it, for the audit log. Default: nobody, it cannot go on; its reason is its record
 */
export async function cancelDelivery(
  store: Store,
  { id, reason, number, now, by }: { id: DeliveryId; reason: string; number?: number; now: number; by?: By },
): Promise<boolean> {
  return await transact(store, async (tx) => {
    const row = await lockDelivery(store, tx, id);
    if (row === undefined || (number !== undefined && !isNextAttempt(row, number))) return false;
    if ((await cancel(tx, [row], reason, now)) === 0) return false;
    const change = { before: { state: row.state }, after: { state: "cancelled" } };
    const of = { accountId: row.account_id, subject: "delivery", id } as const;
    if (by !== undefined) await enter(tx, [{ by, ...of, ...change, now }]);
    return true;
  });
}

/**
 * Cancels deliveries that the transaction has locked.
 *
 * @returns how many were cancelled
 */
export async function cancel(
  tx: Tx,
  rows: readonly LockedDelivery[],
  reason: string,
  now: number,
): Promise<number> {
  const cancelled = await moveAll(tx, "cancel", rows, {}, now, { ended_at: now, ended_reason: reason });
  return cancelled.length;
}

export function deliveryOf(row: Selectable<Tables["deliveries"]>): Delivery {
  return {
    id: row.id,
    accountId: row.account_id,
    eventId: row.event_id,
    eventType: row.event_type,
    subscriptionId: row.subscription_id,
    state: row.state,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    lastOutcome: row.last_outcome,
    lastStatus: row.last_status,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    endedReason: row.ended_reason,
    isTest: row.test === 1,
    traceparent: row.traceparent,
    resendOf: row.resend_of,
    recoveryId: row.recovery_id,
  };
}
