import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { byIndex } from "../database/by-index.ts";
import { sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { logChanges } from "../deliveries/delivery-changes.ts";
import { lockSubscription } from "../subscriptions/lock-subscription.ts";
import { getSubscription, removeEventTypes, type Subscription } from "../subscriptions/subscriptions.ts";

/** Deliveries cancelled in one transaction, so that a large backlog does not hold locks for long. */
const CANCEL_AT_ONCE = 500;
const OPEN = ["pending", "started", "parked"] as const;

/**
 * Ends a subscription for good and cancels its open deliveries. Ending twice changes nothing. Undefined: there is no
 * such subscription.
 *
 * The end is one transaction, the cancelling follows in several; a crash in between leaves open deliveries that are
 * cancelled when their next attempt finds the subscription ended.
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
 * @returns how many there were, and whether the account ever had one on it
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
  for (const row of live)
    await endSubscription(store, { accountId, id: row.id as SubscriptionId, reason, now });
  return { ended: live.length, known: rows.length > 0 };
}

/** Marks a subscription ended, within a transaction that holds its row. */
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
  // Nothing is sent any more, so nothing needs them.
  await tx.deleteFrom("signing_keys").where("subscription_id", "=", id).execute();
  await tx.deleteFrom("turn_slots").where("subscription_id", "=", id).execute();
}

/** Cancels what is open of an ended subscription. */
export async function cancelOpenDeliveries(store: Store, id: SubscriptionId, now: number): Promise<void> {
  for (const state of OPEN) {
    for (;;) {
      const rows = await store.db
        .selectFrom(byIndex(store, "deliveries", "deliveries_by_state"))
        .select("id")
        .where("state", "=", state)
        .where("subscription_id", "=", id)
        .limit(CANCEL_AT_ONCE)
        .execute();
      if (rows.length === 0) break;
      await transact(store, async (tx) => {
        await tx
          .updateTable("deliveries")
          .set({ ...CANCELLED, ended_at: now, ended_reason: "its subscription has ended" })
          .where(
            "id",
            "in",
            rows.map((row) => row.id),
          )
          .where("state", "in", OPEN)
          .execute();
        await logChanges(
          tx,
          rows.map((row) => row.id),
          now,
        );
      });
    }
  }
}

/** What a delivery's row holds once nothing more is to happen. */
export const SETTLED = {
  next_attempt_at: null,
  reconcile_after: null,
  lease_owner: null,
  lease_until: null,
  in_flight_of: null,
  turn_at: null,
} as const;

const CANCELLED = { ...SETTLED, state: "cancelled" } as const;
