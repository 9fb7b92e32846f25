import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { newEventId } from "../database/ids.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import { type Delivery, deliveryOf } from "../deliveries/deliveries.ts";
import { deliveryRow, insertDeliveries } from "../deliveries/new-deliveries.ts";
import { hasEnded, lockSubscription } from "../subscriptions/lock-subscription.ts";

/**
 * Stores a test event and its only delivery. It goes to this subscription whatever types the subscription
 * wants, even while the subscription is paused.
 *
 * @returns undefined: no such subscription
 * @throws Refusal `wrong_state` if the subscription has ended
 */
export async function createTestDelivery(
  store: Store,
  input: {
    accountId: AccountId;
    subscriptionId: SubscriptionId;
    eventType: string;
    data: Uint8Array;
    /** By which the event is found; see `key-hashes.ts`. Default: none. */
    keyHashes?: readonly Buffer[];
    now: number;
    by?: By;
  },
): Promise<Delivery | undefined> {
  const { accountId, subscriptionId, eventType, now, by = BY_PROGRAM } = input;
  return await transact(store, async (tx) => {
    const subscription = await lockSubscription(store, tx, accountId, subscriptionId);
    if (subscription === undefined) return undefined;
    if (subscription.state === "ended") {
      throw hasEnded(subscriptionId, "subscription_id");
    }
    const eventId = newEventId(now);
    await tx
      .insertInto("events")
      .values({
        id: eventId,
        account_id: accountId,
        event_type: eventType,
        data: Buffer.from(input.data),
        created_at: now,
      })
      .execute();
    const keys = (input.keyHashes ?? []).map((hash) => ({
      account_id: accountId,
      value_hash: hash,
      event_id: eventId,
    }));
    await insertRows(tx, "event_keys", keys);
    const match = { subscriptionId, parks: false, targetHash: subscription.target_hash } as const;
    const row = { ...deliveryRow({ accountId, eventId, eventType, now }, match), test: 1 };
    await insertDeliveries(tx, [row], "tested");
    const after = { subscription_id: subscriptionId, event_id: eventId, event_type: eventType, test: true };
    await enter(tx, [{ by, accountId, subject: "delivery", id: row.id, after, now }]);
    const stored = await tx
      .selectFrom("deliveries")
      .selectAll()
      .where("id", "=", row.id)
      .executeTakeFirstOrThrow();
    return deliveryOf(stored);
  });
}
