import { type AliasedRawBuilder, type Selectable, sql } from "kysely";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

/** The indexes that statements name, by their tables. */
type Indexes = {
  deliveries:
    | "deliveries_by_state"
    | "deliveries_by_account"
    | "deliveries_by_account_state"
    | "deliveries_by_subscription"
    | "deliveries_overdue";
  delivery_changes: "delivery_changes_in_order" | "delivery_changes_by_batch";
  events: "events_by_account";
};

/**
 * A table, read by one of its indexes.
 *
 * Where a statement wants the first few rows of a kind, one index leads to them, however many others there
 * are. MySQL chooses by averages, from statistics that lag behind: in a backlog it expects to meet such rows
 * soon whichever way it goes, so it goes along the primary key or another index, and reads all others on the
 * way. So the index is named.
 */
export function byIndex<T extends keyof Indexes>(
  { seam }: Pick<Store, "seam">,
  table: T,
  index: Indexes[T],
): AliasedRawBuilder<Selectable<Tables[T]>, T> {
  return sql<Selectable<Tables[T]>>`${sql.table(table)}`.as<T>(
    sql`${sql.ref(table)} ${sql.raw(seam.byIndex(index))}`,
  );
}
