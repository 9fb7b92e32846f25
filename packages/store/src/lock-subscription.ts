import type { AccountId, SubscriptionId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";
import type { Tx } from "./transact.ts";

/** Reads a subscription's row and keeps others from changing it until the transaction is over. `"any"`: whosever it is. */
export async function lockSubscription(
  store: Store,
  tx: Tx,
  accountId: AccountId | "any",
  id: SubscriptionId,
): Promise<Selectable<Tables["subscriptions"]> | undefined> {
  let query = tx.selectFrom("subscriptions").selectAll().where("id", "=", id);
  if (accountId !== "any") query = query.where("account_id", "=", accountId);
  return await (store.seam.locksRows ? query.forUpdate() : query).executeTakeFirst();
}
