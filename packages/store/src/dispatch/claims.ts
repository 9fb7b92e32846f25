import type { DeliveryId } from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import { lockDeliveries, moveAll } from "../deliveries/move.ts";
import { RECONCILE_GRACE_MS } from "../deliveries/transitions.ts";

/**
 * Notes that the workflows of these claimed deliveries were started. Deliveries that moved meanwhile stay as
 * they are.
 */
export async function markStarted(
  store: Store,
  { ids, now }: { ids: readonly DeliveryId[]; now: number },
): Promise<void> {
  await transact(store, async (tx) => {
    // If a delivery's turn had not come, its workflow unclaimed it and has ended.
    const claimed = (await lockDeliveries(store, tx, ids)).filter((row) => row.lease_owner !== null);
    const times = { reconcile_after: now + RECONCILE_GRACE_MS };
    await moveAll(tx, "start", claimed, times, now, { started_at: now });
  });
}

/**
 * Releases claims after their workflows could not be started, so that any worker may claim the deliveries
 * again.
 */
export async function releaseClaims(
  store: Store,
  { ids, now }: { ids: readonly DeliveryId[]; now: number },
): Promise<void> {
  await transact(store, async (tx) => {
    await moveAll(tx, "release_claim", await lockDeliveries(store, tx, ids), {}, now);
  });
}

/** Extends the claims that this owner still holds until `until`. */
export async function renewClaims(
  store: Store,
  { owner, ids, until, now }: { owner: string; ids: readonly DeliveryId[]; until: number; now: number },
): Promise<void> {
  await transact(store, async (tx) => {
    const own = (await lockDeliveries(store, tx, ids)).filter((row) => row.lease_owner === owner);
    await moveAll(tx, "renew_claim", own, { lease_until: until }, now);
  });
}
