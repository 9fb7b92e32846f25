import { type AccountId, Refusal, type SubscriptionId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { lockRow, lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";

/**
 * Reads a subscription's row and locks it until the end of the transaction.
 *
 * @param accountId the account that must own the subscription; `any`: whoever owns it
 * @param ifLocked a row that another transaction holds: `wait` up to 5 s for it and then fail, `skip` it as
 *   if it did not exist, or `come_again` without a connection in hand; see {@link lockRow}. Default: `wait`
 * @returns undefined: not found, or skipped
 */
export async function lockSubscription(
  store: Store,
  tx: Tx,
  accountId: AccountId | "any",
  id: SubscriptionId,
  { ifLocked = "wait" }: { ifLocked?: "wait" | "skip" | "come_again" } = {},
): Promise<Selectable<Tables["subscriptions"]> | undefined> {
  let query = tx.selectFrom("subscriptions").selectAll().where("id", "=", id);
  if (accountId !== "any") query = query.where("account_id", "=", accountId);
  if (ifLocked === "come_again") return await lockRow(store, query, `subscription ${id}`);
  return await lockRows(store, query, ifLocked).executeTakeFirst();
}

/**
 * Reads subscriptions and locks them until the end of the transaction, in the order of their ids. Those that
 * do not exist are left out.
 *
 * @param ifLocked see {@link lockRows}
 */
export async function lockSubscriptions(
  store: Store,
  tx: Tx,
  ids: readonly SubscriptionId[],
  { ifLocked = "wait" }: { ifLocked?: "wait" | "skip" } = {},
): Promise<Map<SubscriptionId, Selectable<Tables["subscriptions"]>>> {
  if (ids.length === 0) return new Map();
  const query = tx
    .selectFrom("subscriptions")
    .selectAll()
    .where("id", "in", [...new Set(ids)])
    .orderBy("id");
  const rows = await lockRows(store, query, ifLocked).execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/**
 * Returns the refusal of a change to a subscription that has ended.
 *
 * @param field the request's field that names the subscription
 */
export function hasEnded(id: SubscriptionId, field: "id" | "subscription_id"): Refusal {
  return new Refusal("wrong_state", `subscription ${id} has ended; create a new one`, {
    reason: "SUBSCRIPTION_ENDED",
    field,
  });
}
