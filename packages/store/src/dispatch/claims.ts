import type { DeliveryId } from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import { eventOf, lockAndMove } from "../deliveries/move.ts";
import { RECONCILE_GRACE_MS } from "../deliveries/transitions.ts";

/**
 * How soon the reconciler examines the start of a delivery that had a workflow before. That workflow parked
 * or unclaimed it and ends a moment later. A start within this moment finds it still running, and starts
 * nothing.
 */
const AGAIN_GRACE_MS = 5_000;

/**
 * Notes that the workflows of these claimed deliveries were started. Deliveries that moved meanwhile stay as
 * they are.
 */
export async function markStarted(
  store: Store,
  { ids, now }: { ids: readonly DeliveryId[]; now: number },
): Promise<void> {
  await lockAndMove(store, ids, now, (rows) =>
    rows
      // If a delivery's turn had not come, its workflow unclaimed it and has ended.
      .filter((row) => row.lease_owner !== null)
      .map((row) => {
        // A delivery that was parked or unclaimed is due since then.
        const isAgain = row.next_attempt_at !== row.created_at;
        const times = { reconcile_after: now + (isAgain ? AGAIN_GRACE_MS : RECONCILE_GRACE_MS) };
        return eventOf("start", row, times, { started_at: now });
      }),
  );
}

/**
 * Releases the claims that this owner still holds after their workflows could not be started, so that any
 * worker may claim the deliveries again.
 */
export async function releaseClaims(
  store: Store,
  { owner, ids, now }: { owner: string; ids: readonly DeliveryId[]; now: number },
): Promise<void> {
  await lockAndMove(store, ids, now, (rows) =>
    rows.filter((row) => row.lease_owner === owner).map((row) => eventOf("release_claim", row, {})),
  );
}

/** Extends the claims that this owner still holds until `until`. */
export async function renewClaims(
  store: Store,
  { owner, ids, until, now }: { owner: string; ids: readonly DeliveryId[]; until: number; now: number },
): Promise<void> {
  await lockAndMove(store, ids, now, (rows) =>
    rows
      .filter((row) => row.lease_owner === owner)
      .map((row) => eventOf("renew_claim", row, { lease_until: until })),
  );
}
