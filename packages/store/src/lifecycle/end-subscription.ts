import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { inState } from "../database/by-index.ts";
import { sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { cancel } from "../deliveries/deliveries.ts";
import { OPEN_STATES } from "../deliveries/transitions.ts";
import { lockSubscription } from "../subscriptions/lock-subscription.ts";
import { getSubscription, removeEventTypes, type Subscription } from "../subscriptions/subscriptions.ts";

/** Maximum deliveries cancelled in one transaction, so that a large backlog does not hold locks for long. */
const CANCEL_AT_ONCE = 500;

/**
 * Ends a subscription permanently and cancels its open deliveries. Ending it twice changes nothing.
 *
 * The subscription ends in one transaction; its deliveries are cancelled in later ones. A crash in between
 * leaves open deliveries, which are cancelled when their next attempt finds the subscription ended.
 *
 * @returns undefined: not found
 */
export async function endSubscription(
  store: Store,
  { accountId, id, reason, now }: { accountId: AccountId; id: SubscriptionId; reason: string; now: number },
): Promise<Subscription | undefined> {
  const known = await transact(store, async (tx) => {
    const row = await lockSubscription(store, tx, accountId, id);
    if (row !== undefined && row.state !== "ended") await endIn(tx, id, reason, now);
    return row !== undefined;
  });
  if (!known) return undefined;
  await cancelOpenDeliveries(store, id, now);
  return await getSubscription(store, { accountId, id });
}

/**
 * Ends every live subscription of the account on this URL.
 *
 * @returns how many were live, and whether the account ever had a subscription on the URL
 */
export async function endSubscriptionsByUrl(
  store: Store,
  {
    accountId,
    targetUrl,
    reason,
    now,
  }: { accountId: AccountId; targetUrl: string; reason: string; now: number },
): Promise<{ ended: number; known: boolean }> {
  const rows = await store.db
    .selectFrom("subscriptions")
    .select(["id", "state"])
    .where("account_id", "=", accountId)
    .where("target_hash", "=", sha256(targetUrl))
    .execute();
  const live = rows.filter((row) => row.state !== "ended");
  for (const row of live) await endSubscription(store, { accountId, id: row.id, reason, now });
  return { ended: live.length, known: rows.length > 0 };
}

/** Marks a subscription as ended, within a transaction that holds its row. */
export async function endIn(tx: Tx, id: SubscriptionId, reason: string, now: number): Promise<void> {
  await tx
    .updateTable("subscriptions")
    .set({
      state: "ended",
      ended_at: now,
      ended_reason: reason,
      updated_at: now,
      credential: null,
      headers: null,
      draining: 0,
    })
    .where("id", "=", id)
    .where("state", "!=", "ended")
    .execute();
  await removeEventTypes(tx, id, "all", now);
  // Nothing more is sent, so nothing needs the keys.
  await tx.deleteFrom("signing_keys").where("subscription_id", "=", id).execute();
  await tx.deleteFrom("turn_slots").where("subscription_id", "=", id).execute();
}

/** Cancels the open deliveries of an ended subscription. */
export async function cancelOpenDeliveries(store: Store, id: SubscriptionId, now: number): Promise<void> {
  for (const state of OPEN_STATES) {
    for (;;) {
      const rows = await inState(store, store.db, { subscriptionId: id, state })
        .select("id")
        .limit(CANCEL_AT_ONCE)
        .execute();
      if (rows.length === 0) break;
      const ids = rows.map((row) => row.id);
      await transact(store, (tx) => cancel(store, tx, ids, "its subscription has ended", now));
    }
  }
}
