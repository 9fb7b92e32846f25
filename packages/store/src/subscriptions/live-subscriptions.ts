import { type AccountId, SUBSCRIPTION_STATES } from "@posthaste/domain";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";

const LIVE_STATES = SUBSCRIPTION_STATES.filter((state) => state !== "ended");

/**
 * Returns a query for the ids of an account's live subscriptions, in no particular order. It reads none that
 * has ended: those are never deleted, and an account may have any number of them.
 */
export function liveSubscriptionIds(store: Store, tx: Tx, accountId: AccountId) {
  return tx
    .selectFrom(byIndex(store, "subscriptions", "subscriptions_by_state"))
    .select("id")
    .where("account_id", "=", accountId)
    .where("state", "in", LIVE_STATES);
}
