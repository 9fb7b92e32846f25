import type { SubscriptionId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";

/**
 * Subscriptions whose event types one statement reads. Each has at most 64, so a statement returns at most
 * 2,048 rows. SQLite reads them within a turn of the event loop, and others have their turn between two
 * statements.
 */
const SUBSCRIPTIONS_AT_ONCE = 32;

type Subscription = Pick<Selectable<Tables["subscriptions"]>, "id" | "ended_at">;

/**
 * Returns the event types of subscriptions, in alphabetical order. An ended subscription has those that it
 * had when it ended, until retention deletes them.
 */
export async function eventTypesOf(
  db: Store["db"],
  subscriptions: readonly Subscription[],
): Promise<ReadonlyMap<SubscriptionId, readonly string[]>> {
  const found = new Map<SubscriptionId, readonly string[]>();
  for (let i = 0; i < subscriptions.length; i += SUBSCRIPTIONS_AT_ONCE) {
    const rows = await readRows(db, subscriptions.slice(i, i + SUBSCRIPTIONS_AT_ONCE));
    for (const [id, ofOne] of Map.groupBy(rows, (row) => row.subscription_id)) {
      found.set(id, [...new Set(ofOne.map((row) => row.event_type))].sort());
    }
  }
  return found;
}

async function readRows(db: Store["db"], subscriptions: readonly Subscription[]) {
  const ids = subscriptions.map((subscription) => subscription.id);
  const endedAt = subscriptions.map((subscription) => subscription.ended_at ?? -1);
  return await db
    .selectFrom("subscription_event_types")
    .select(["subscription_id", "event_type"])
    .where("subscription_id", "in", ids)
    .where((eb) => eb.or([eb("removed_at", "is", null), eb("removed_at", "in", endedAt)]))
    .execute();
}
