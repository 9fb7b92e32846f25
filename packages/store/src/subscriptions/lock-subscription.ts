import type { AccountId, SubscriptionId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";

/**
 * Reads a subscription's row and keeps others from changing it until the transaction is over. `"any"`:
 * whosever it is.
 *
 * @param ifLocked what becomes of a row that somebody else holds: `wait` for it, for 5 s and with an error
 *   after that, or `skip` it as if it were not there. Default: `wait`
 */
export async function lockSubscription(
  store: Store,
  tx: Tx,
  accountId: AccountId | "any",
  id: SubscriptionId,
  { ifLocked = "wait" }: { ifLocked?: "wait" | "skip" } = {},
): Promise<Selectable<Tables["subscriptions"]> | undefined> {
  let query = tx.selectFrom("subscriptions").selectAll().where("id", "=", id);
  if (accountId !== "any") query = query.where("account_id", "=", accountId);
  return await lockRows(store, query, ifLocked).executeTakeFirst();
}
