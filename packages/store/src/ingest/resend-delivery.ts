import { randomBytes } from "node:crypto";
import {
  type AccountId,
  type DeliveryId,
  type EventId,
  Refusal,
  type SubscriptionId,
} from "@posthaste/domain";
import { enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { byIndex } from "../database/by-index.ts";
import { sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { type Delivery, deliveryOf } from "../deliveries/deliveries.ts";
import { lockEvents } from "../deliveries/lock-events.ts";
import { deliveryRow, insertDeliveries, SENT_MAX } from "../deliveries/new-deliveries.ts";
import { OPEN_STATES } from "../deliveries/transitions.ts";
import { lockSubscription } from "../subscriptions/lock-subscription.ts";
import { parks } from "../subscriptions/match-subscriptions.ts";

/**
 * Creates a new delivery of the same event to the same subscription, with its own schedule. If a delivery of
 * that event is still open, it is returned instead (`resent` is false), so that a second click sends nothing
 * twice.
 *
 * @returns undefined: not found
 * @throws Refusal `wrong_state` if the subscription has ended, or the event was deleted; `too_many` if the
 *   event was sent to it {@link SENT_MAX} times
 */
export async function resendDelivery(
  store: Store,
  { accountId, id, now, by = BY_PROGRAM }: { accountId: AccountId; id: DeliveryId; now: number; by?: By },
): Promise<{ delivery: Delivery; resent: boolean } | undefined> {
  return await transact(store, async (tx) => {
    const original = await tx
      .selectFrom("deliveries")
      .selectAll()
      .where("id", "=", id)
      .where("account_id", "=", accountId)
      .executeTakeFirst();
    if (original === undefined) return undefined;
    const { eventId, eventType, subscriptionId } = deliveryOf(original);
    // The lock lets only one of two concurrent calls create a delivery, and keeps the subscription from
    // ending.
    const subscription = await lockSubscription(store, tx, accountId, subscriptionId);
    if (subscription === undefined || subscription.state === "ended") {
      throw new Refusal("wrong_state", `the subscription ${subscriptionId} of delivery ${id} has ended`, {
        reason: "SUBSCRIPTION_ENDED",
        field: "id",
      });
    }
    if (!(await lockEvents(store, tx, [eventId])).has(eventId)) {
      throw new Refusal("wrong_state", `the event ${eventId} of delivery ${id} has been deleted`, {
        field: "id",
      });
    }
    const open = await openDelivery(store, tx, eventId, subscriptionId);
    if (open !== undefined) return { delivery: open, resent: false };
    await requireRoom(store, tx, eventId, subscriptionId);
    const row = deliveryRow(
      { accountId, eventId, eventType, now, traceparent: original.traceparent, resendOf: id },
      // Ingest reaches a URL once per event. A random key lets this delivery exist besides that one.
      {
        subscriptionId,
        parks: parks(subscription),
        targetHash: sha256(subscription.target_hash, randomBytes(16)),
      },
    );
    await insertDeliveries(tx, [{ ...row, test: original.test }], "resent");
    const after = { resend_of: id, event_id: eventId, subscription_id: subscriptionId };
    await enter(tx, [{ by, accountId, subject: "delivery", id: row.id, after, now }]);
    const stored = await tx
      .selectFrom("deliveries")
      .selectAll()
      .where("id", "=", row.id)
      .executeTakeFirstOrThrow();
    return { delivery: deliveryOf(stored), resent: true };
  });
}

/** @throws Refusal `too_many` if the event was sent to the subscription as often as it may */
async function requireRoom(store: Store, tx: Tx, eventId: EventId, subscriptionId: SubscriptionId) {
  const sent = await tx
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
    .select("id")
    .where("event_id", "=", eventId)
    .where("subscription_id", "=", subscriptionId)
    .limit(SENT_MAX)
    .execute();
  if (sent.length < SENT_MAX) return;
  throw new Refusal(
    "too_many",
    `the event ${eventId} was sent to subscription ${subscriptionId} ${SENT_MAX} times, the maximum; ingest it anew`,
    { reason: "RESENDS_FULL", metadata: { limit: String(SENT_MAX) }, field: "id" },
  );
}

async function openDelivery(
  store: Store,
  tx: Tx,
  eventId: EventId,
  subscriptionId: SubscriptionId,
): Promise<Delivery | undefined> {
  const row = await tx
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
    .selectAll()
    .where("event_id", "=", eventId)
    .where("subscription_id", "=", subscriptionId)
    .where("state", "in", OPEN_STATES)
    .executeTakeFirst();
  return row && deliveryOf(row);
}
