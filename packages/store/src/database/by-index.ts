import type { DeliveryState, SubscriptionId } from "@posthaste/domain";
import { type AliasedRawBuilder, type Selectable, sql } from "kysely";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";
import type { Tx } from "./transact.ts";

/** The indexes that statements name, by table. */
export type Indexes = {
  audit_entries:
    | "audit_entries_by_account"
    | "audit_entries_by_action"
    | "audit_entries_by_subject"
    | "audit_entries_by_token";
  deliveries:
    | "deliveries_by_state_and_account"
    | "deliveries_by_account"
    | "deliveries_by_event"
    | "deliveries_by_account_state"
    | "deliveries_by_subscription"
    | "deliveries_once"
    | "deliveries_overdue";
  delivery_changes: "delivery_changes_in_order" | "delivery_changes_by_batch";
  erasures: "erasures_unstarted";
  event_keys: "event_keys_by_event";
  events: "events_by_account" | "events_by_type";
  fanouts: "fanouts_by_account";
  recoveries: "recoveries_unstarted";
  subscription_event_types: "subscription_event_types_removed";
  subscriptions:
    | "subscriptions_by_host"
    | "subscriptions_by_state"
    | "subscriptions_by_url"
    | "subscriptions_draining_by_account"
    | "subscriptions_ended_by_url"
    | "subscriptions_failing"
    | "subscriptions_failing_by_account"
    | "subscriptions_ending_by_account";
};

/**
 * Returns a table that a statement reads by one named index, under the table's name or as `alias`.
 *
 * If a statement wants the first few rows of a kind, one index leads straight to them. MySQL plans by
 * averages, from statistics that lag behind. In a backlog it expects such rows soon on any path, picks the
 * primary key or another index, and reads all other rows on the way. The statement therefore names its index.
 */
export function byIndex<T extends keyof Indexes, Alias extends string = T>(
  { seam }: Pick<Store, "seam">,
  table: T,
  index: Indexes[T],
  alias?: Alias,
): AliasedRawBuilder<Selectable<Tables[T]>, Alias> {
  return sql<Selectable<Tables[T]>>`${sql.table(table)}`.as<Alias>(
    sql`${sql.ref(alias ?? table)} ${sql.raw(seam.byIndex(index))}`,
  );
}

/**
 * Returns a table that a statement reads by its primary key. A statement that locks what it reads needs it:
 * MySQL scans a small table as a whole, and would meet the locks of rows that the statement does not want.
 */
export function byPrimaryKey<T extends keyof Tables & string>(
  { seam }: Pick<Store, "seam">,
  table: T,
): AliasedRawBuilder<Selectable<Tables[T]>, T> {
  return sql<Selectable<Tables[T]>>`${sql.table(table)}`.as<T>(
    sql`${sql.ref(table)} ${sql.raw(seam.byPrimaryKey)}`,
  );
}

/**
 * Begins a query for a subscription's deliveries in one state, in the order of their ids. The index that
 * leads to them in this order begins with the account, whom claims serve first. The order names all columns
 * of the index: MySQL does not take the account for one value, and would sort all of these deliveries.
 */
export function inState(
  store: Pick<Store, "seam">,
  db: Pick<Tx, "selectFrom">,
  { subscriptionId, state }: { subscriptionId: SubscriptionId; state: DeliveryState },
) {
  return db
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_state_and_account"))
    .where("state", "=", state)
    .where("account_id", "=", (eb) =>
      eb.selectFrom("subscriptions as s").select("s.account_id").where("s.id", "=", subscriptionId),
    )
    .where("subscription_id", "=", subscriptionId)
    .orderBy("account_id")
    .orderBy("subscription_id")
    .orderBy("id");
}
