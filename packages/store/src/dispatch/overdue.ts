import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import { eventOf, lockAndMove } from "../deliveries/move.ts";

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
  /** Since when the reconciler may examine it. */
  readonly overdueSince: number;
};

/** Returns started deliveries that should have moved by now, the longest overdue first. */
export async function listOverdue(
  store: Store,
  { now, limit }: { now: number; limit: number },
): Promise<OverdueDelivery[]> {
  // Filtered before the join: with few subscriptions, MySQL would otherwise read all their deliveries and
  // sort them.
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
    .orderBy("id")
    .limit(limit);
  const rows = await store.db
    .selectFrom(overdue.as("d"))
    .innerJoin("subscriptions as s", "s.id", "d.subscription_id")
    .selectAll("d")
    .select("s.target_url")
    .orderBy("d.reconcile_after")
    .orderBy("d.id")
    .execute();
  return rows.map((row) => ({
    deliveryId: row.id,
    accountId: row.account_id,
    subscriptionId: row.subscription_id,
    eventId: row.event_id,
    eventType: row.event_type,
    targetUrl: row.target_url,
    traceparent: row.traceparent,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    overdueSince: row.reconcile_after ?? now,
  }));
}

/** Defers overdue deliveries until a time, unless they move before. */
export async function deferReconcile(
  store: Store,
  { ids, until, now }: { ids: readonly DeliveryId[]; until: number; now: number },
): Promise<void> {
  await lockAndMove(store, ids, now, (rows) =>
    rows
      .filter(({ reconcile_after: at }) => at !== null && at <= now)
      .map((row) => eventOf("defer_reconcile", row, { reconcile_after: until })),
  );
}

/** Changes deferrals that end at `from`. A delivery that moved meanwhile has another time and keeps it. */
export async function changeDeferral(
  store: Store,
  {
    from,
    changes,
    now,
  }: {
    from: number;
    changes: readonly { readonly id: DeliveryId; readonly until: number }[];
    now: number;
  },
): Promise<void> {
  const untilOf = new Map(changes.map(({ id, until }) => [id, until]));
  await lockAndMove(store, [...untilOf.keys()], now, (rows) =>
    rows
      .filter((row) => row.reconcile_after === from)
      .map((row) => eventOf("defer_reconcile", row, { reconcile_after: untilOf.get(row.id) ?? from })),
  );
}
