import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";

/** How long after its next attempt was due a delivery counts as overdue: longer than any attempt and fault takes. */
export const RECONCILE_GRACE_MS = 2 * 60_000;

export type OverdueDelivery = {
  readonly deliveryId: DeliveryId;
  readonly accountId: AccountId;
  readonly subscriptionId: SubscriptionId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly targetUrl: string;
  readonly traceparent: string | null;
  readonly attempts: number;
  readonly nextAttemptAt: number | null;
  /** Since when it may be looked at. */
  readonly overdueSince: number;
};

/** Started deliveries that should have moved by now, the longest overdue first. */
export async function listOverdue(
  store: Store,
  { now, limit }: { now: number; limit: number },
): Promise<OverdueDelivery[]> {
  // Found before they are joined: of few subscriptions MySQL would read all deliveries, and sort them.
  const overdue = store.db
    .selectFrom(byIndex(store, "deliveries", "deliveries_overdue"))
    .select([
      "id",
      "account_id",
      "subscription_id",
      "event_id",
      "traceparent",
      "event_type",
      "attempts",
      "next_attempt_at",
      "reconcile_after",
    ])
    .where("state", "=", "started")
    .where("reconcile_after", "<=", now)
    .orderBy("reconcile_after")
    .limit(limit);
  const rows = await store.db
    .selectFrom(overdue.as("d"))
    .innerJoin("subscriptions as s", "s.id", "d.subscription_id")
    .selectAll("d")
    .select("s.target_url")
    .orderBy("d.reconcile_after")
    .execute();
  return rows.map((row) => ({
    deliveryId: row.id as DeliveryId,
    accountId: row.account_id as AccountId,
    subscriptionId: row.subscription_id as SubscriptionId,
    eventId: row.event_id as EventId,
    eventType: row.event_type,
    targetUrl: row.target_url,
    traceparent: row.traceparent,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    overdueSince: row.reconcile_after ?? now,
  }));
}

/** Leaves overdue deliveries alone until a time, if nothing moves them before. */
export async function deferReconcile(
  store: Store,
  { ids, until, now }: { ids: readonly DeliveryId[]; until: number; now: number },
): Promise<void> {
  if (ids.length === 0) return;
  await store.db
    .updateTable("deliveries")
    .set({ reconcile_after: until })
    .where("id", "in", ids)
    .where("state", "=", "started")
    .where("reconcile_after", "<=", now)
    .execute();
}

/** Changes the time until which deliveries were left alone. One that has moved meanwhile keeps the time it has now. */
export async function changeDeferral(
  store: Store,
  {
    from,
    changes,
  }: { from: number; changes: readonly { readonly id: DeliveryId; readonly until: number }[] },
): Promise<void> {
  if (changes.length === 0) return;
  await transact(store, async (tx) => {
    for (const { id, until } of changes) {
      await tx
        .updateTable("deliveries")
        .set({ reconcile_after: until })
        .where("id", "=", id)
        .where("state", "=", "started")
        .where("reconcile_after", "=", from)
        .execute();
    }
  });
}
