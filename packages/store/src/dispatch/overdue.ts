import { isDeepStrictEqual } from "node:util";
import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import type { ExpressionBuilder } from "kysely";
import { byIndex } from "../database/by-index.ts";
import type { Refused } from "../database/in-parts.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import { cancel } from "../deliveries/deliveries.ts";
import { eventOf, type LockedDelivery, lockAndMove, lockDelivery } from "../deliveries/move.ts";

export type OverdueDelivery = {
  readonly deliveryId: DeliveryId;
  readonly accountId: AccountId;
  readonly subscriptionId: SubscriptionId;
  readonly eventId: EventId;
  readonly eventType: string;
  /** Null: its subscription does not exist, which is a fault. */
  readonly targetUrl: string | null;
  readonly traceparent: string | null;
  readonly attempts: number;
  /** Since when the reconciler may examine it. */
  readonly overdueSince: number;
};

/** A place among the overdue deliveries, in the order in which they became overdue. */
export type OverduePlace = { readonly id: DeliveryId; readonly overdueSince: number };

/** Some overdue deliveries. */
export type ListOverdue = {
  readonly deliveries: readonly OverdueDelivery[];
  /** Where the next list goes on. Undefined: nothing is overdue after this one. */
  readonly next: OverduePlace | undefined;
};

/**
 * Overdue deliveries among which a list looks for those of each account. To read as many takes 20 ms at most,
 * less than to examine a hundred; fewer would let an account with many hide the others for longer.
 */
const WINDOW = 5_000;

/**
 * Lists started deliveries that should have moved by now, in turns by account: the longest overdue of each
 * account, then the second of each, and so on.
 *
 * It looks at {@link WINDOW} deliveries at a time. No index leads from account to account here, because every
 * delivery would pay for it. So an account's delivery is listed after one list for each window before it.
 *
 * @param page.after where the list begins. Default: with the longest overdue
 */
export async function listOverdue(
  store: Store,
  { now, limit, after }: { now: number; limit: number; after?: OverduePlace | undefined },
): Promise<ListOverdue> {
  let overdue = store.db
    .selectFrom(byIndex(store, "deliveries", "deliveries_overdue"))
    .select(["id", "reconcile_after"])
    .where("state", "=", "started")
    .where("reconcile_after", "<=", now);
  if (after !== undefined) overdue = overdue.where((eb) => isAfter(eb, after));
  const end = await overdue
    .orderBy("reconcile_after")
    .orderBy("id")
    .offset(WINDOW - 1)
    .limit(1)
    .executeTakeFirst();
  const next = end && { id: end.id, overdueSince: end.reconcile_after ?? now };
  const window = next === undefined ? overdue : overdue.where((eb) => isUpTo(eb, next));
  const inTurns = store.db.selectFrom(window.select("account_id").as("w")).select((eb) => [
    "id",
    "reconcile_after",
    eb.fn
      .agg<number>("row_number")
      .over((over) => over.partitionBy("account_id").orderBy("reconcile_after").orderBy("id"))
      .as("turn"),
  ]);
  const first = store.db
    .selectFrom(inTurns.as("t"))
    .select(["id", "turn"])
    .orderBy("turn")
    .orderBy("reconcile_after")
    .orderBy("id")
    .limit(limit);
  const rows = await store.db
    .selectFrom(first.as("f"))
    .innerJoin("deliveries as d", "d.id", "f.id")
    // Not an inner join: a delivery that is left out would stay in front of the others, unnoticed.
    .leftJoin("subscriptions as s", "s.id", "d.subscription_id")
    .select([
      "d.id",
      "d.account_id",
      "d.subscription_id",
      "d.event_id",
      "d.traceparent",
      "d.event_type",
      "d.attempts",
      "d.reconcile_after",
      "s.target_url",
    ])
    .orderBy("f.turn")
    .orderBy("d.reconcile_after")
    .orderBy("d.id")
    .execute();
  const deliveries = rows.map((row) => ({
    deliveryId: row.id,
    accountId: row.account_id,
    subscriptionId: row.subscription_id,
    eventId: row.event_id,
    eventType: row.event_type,
    targetUrl: row.target_url,
    traceparent: row.traceparent,
    attempts: row.attempts,
    overdueSince: row.reconcile_after ?? now,
  }));
  return { deliveries, next };
}

/** Returns the condition that a delivery comes after a place. The index finds the first such. */
function isAfter(eb: ExpressionBuilder<Tables, "deliveries">, { id, overdueSince }: OverduePlace) {
  return eb.and([
    eb("reconcile_after", ">=", overdueSince),
    eb.or([eb("reconcile_after", ">", overdueSince), eb("id", ">", id)]),
  ]);
}

/** Returns the condition that a delivery comes before a place, or is there. */
function isUpTo(eb: ExpressionBuilder<Tables, "deliveries">, { id, overdueSince }: OverduePlace) {
  return eb.and([
    eb("reconcile_after", "<=", overdueSince),
    eb.or([eb("reconcile_after", "<", overdueSince), eb("id", "<=", id)]),
  ]);
}

/** The longest that an overdue delivery may be deferred. The count of the overdue ones looks no further. */
export const DEFERRED_MAX_MS = 10 * MINUTE_MS;

/** A delivery as it was when a round of the reconciler deferred it. */
export type Deferral = {
  readonly id: DeliveryId;
  readonly attempts: number;
  readonly nextAttemptAt: number | null;
  readonly deferredUntil: number | null;
  readonly leaseUntil: number | null;
};

/**
 * Defers overdue deliveries until a time. A delivery that moved or was deferred before stays as it is: of two
 * rounds that found it, one gets it. Deliveries that another transaction holds are left to the next round.
 *
 * @returns the deliveries that were deferred, and those whose row cannot be changed
 */
export async function deferReconcile(
  store: Store,
  { ids, until, now }: { ids: readonly DeliveryId[]; until: number; now: number },
): Promise<{ deferred: Map<DeliveryId, Deferral>; refused: Refused<DeliveryId>[] }> {
  const { moved, refused } = await lockAndMove(store, ids, now, (rows) =>
    rows
      .filter(({ reconcile_after: at }) => at !== null && at <= now)
      .map((row) => eventOf("defer_reconcile", row, { reconcile_after: until })),
  );
  return { deferred: new Map(moved.map((row) => [row.id, deferralOf(row)])), refused };
}

/** Returns whether a delivery is still as it was when it was deferred. */
export async function isAsDeferred(store: Store, deferral: Deferral): Promise<boolean> {
  const row = await store.db
    .selectFrom("deliveries")
    .select(DEFERRAL_COLUMNS)
    .where("id", "=", deferral.id)
    .executeTakeFirst();
  return row !== undefined && isUnmoved(row, deferral);
}

/**
 * Cancels a delivery, unless it has moved since it was deferred.
 *
 * @returns whether it was cancelled
 */
export async function cancelAsDeferred(
  store: Store,
  deferral: Deferral,
  { reason, now }: { reason: string; now: number },
): Promise<boolean> {
  return await transact(store, async (tx) => {
    const row = await lockDelivery(store, tx, deferral.id);
    if (row === undefined || !isUnmoved(row, deferral)) return false;
    return (await cancel(tx, [row], reason, now)) > 0;
  });
}

/**
 * Changes deferrals that end at `from`. A delivery that moved meanwhile has another time and keeps it.
 *
 * @returns the deliveries whose row cannot be changed
 */
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
): Promise<Refused<DeliveryId>[]> {
  const untilOf = new Map(changes.map(({ id, until }) => [id, until]));
  const { refused } = await lockAndMove(store, [...untilOf.keys()], now, (rows) =>
    rows
      .filter((row) => row.reconcile_after === from)
      .map((row) => eventOf("defer_reconcile", row, { reconcile_after: untilOf.get(row.id) ?? from })),
  );
  return refused;
}

const DEFERRAL_COLUMNS = [
  "id",
  "state",
  "attempts",
  "next_attempt_at",
  "reconcile_after",
  "lease_until",
] as const;
type DeferralRow = Pick<LockedDelivery, (typeof DEFERRAL_COLUMNS)[number]>;

function deferralOf(row: DeferralRow): Deferral {
  return {
    id: row.id,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    deferredUntil: row.reconcile_after,
    leaseUntil: row.lease_until,
  };
}

function isUnmoved(row: DeferralRow, deferral: Deferral): boolean {
  return row.state === "started" && isDeepStrictEqual(deferralOf(row), deferral);
}
