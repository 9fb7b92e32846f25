import type { DeliveryId } from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import { logChanges } from "../deliveries/delivery-changes.ts";
import { RECONCILE_GRACE_MS } from "./overdue.ts";

/** The workflows were started: pending → started. Rows that have moved on meanwhile stay as they are. */
export async function markStarted(
  store: Store,
  { ids, now }: { ids: readonly DeliveryId[]; now: number },
): Promise<void> {
  if (ids.length === 0) return;
  await transact(store, async (tx) => {
    await tx
      .updateTable("deliveries")
      .set({
        state: "started",
        started_at: now,
        lease_owner: null,
        lease_until: null,
        reconcile_after: now + RECONCILE_GRACE_MS,
      })
      .where("id", "in", ids)
      .where("state", "=", "pending")
      // One whose turn had not come was given back by its workflow, which is over.
      .where("lease_owner", "is not", null)
      .execute();
    await logChanges(tx, ids, now);
  });
}

/** The workflows could not be started: anyone may claim the rows again. */
export async function releaseClaims(store: Store, { ids }: { ids: readonly DeliveryId[] }): Promise<void> {
  if (ids.length === 0) return;
  await transact(store, async (tx) => {
    await tx
      .updateTable("deliveries")
      .set({ lease_owner: null, lease_until: null, in_flight_of: null })
      .where("id", "in", ids)
      .where("state", "=", "pending")
      .execute();
  });
}

/** Who claimed them is still at it: nobody else may claim these rows before `until`. */
export async function renewClaims(
  store: Store,
  { owner, ids, until }: { owner: string; ids: readonly DeliveryId[]; until: number },
): Promise<void> {
  if (ids.length === 0) return;
  await store.db
    .updateTable("deliveries")
    .set({ lease_until: until })
    .where("id", "in", ids)
    .where("lease_owner", "=", owner)
    .where("state", "=", "pending")
    .execute();
}
