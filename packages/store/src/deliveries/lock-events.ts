import type { EventId } from "@posthaste/domain";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";

/** MariaDB sorts 1,000 ids or more only after it has locked their rows in another order. */
const LOCKED_AT_ONCE = 500;

/**
 * Locks events until the end of the transaction. Whoever creates a delivery of an existing event holds its
 * lock, and so does whoever deletes it. So either the delivery is not created, or whoever deletes the event
 * finds its delivery: no delivery is left without its event.
 *
 * @returns those that exist
 */
export async function lockEvents(store: Store, tx: Tx, ids: readonly EventId[]): Promise<Set<EventId>> {
  const sorted = [...new Set(ids)].sort();
  const found = new Set<EventId>();
  for (let from = 0; from < sorted.length; from += LOCKED_AT_ONCE) {
    const some = sorted.slice(from, from + LOCKED_AT_ONCE);
    const query = tx.selectFrom("events").select("id").where("id", "in", some).orderBy("id");
    for (const row of await lockRows(store, query).execute()) found.add(row.id);
  }
  return found;
}
