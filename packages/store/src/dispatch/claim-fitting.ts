import { type DeliveryId, MINUTE_MS, type SubscriptionId } from "@posthaste/domain";
import type { Refused } from "../database/in-parts.ts";
import type { Tx } from "../database/transact.ts";
import { type LockedDelivery, type Misfit, moveAll, sortByFit } from "../deliveries/move.ts";

/** What a claim could not take. */
export type RefusedClaims = {
  /** Subscriptions whose claim failed: nothing of theirs was claimed. */
  readonly subscriptions: readonly Refused<SubscriptionId>[];
  /**
   * Deliveries whose row does not fit its state. They are set aside for {@link MISFIT_SET_ASIDE_MS}; the
   * others of their subscription are claimed.
   */
  readonly deliveries: readonly Refused<DeliveryId>[];
};

/** How long a delivery is set aside whose row does not fit its state: only a repair by hand helps it. */
const MISFIT_SET_ASIDE_MS = 5 * MINUTE_MS;

/**
 * Claims those of these deliveries whose row fits its state, and sets the others aside.
 *
 * @returns the rows that were claimed, and the others
 */
export async function claimFitting(
  tx: Tx,
  locked: readonly LockedDelivery[],
  { owner, leaseMs, now }: { owner: string; leaseMs: number; now: number },
): Promise<{ rows: Map<DeliveryId, LockedDelivery>; misfits: Misfit[] }> {
  const times = { lease_until: now + leaseMs };
  const { fitting, misfits } = sortByFit("claim", locked, times);
  const odd = misfits.map(({ row }) => row);
  const until = { lease_until: now + MISFIT_SET_ASIDE_MS };
  await moveAll(tx, "set_aside", odd, until, now, { lease_owner: null });
  await moveAll(tx, "claim", fitting, times, now, { lease_owner: owner });
  return { rows: new Map(fitting.map((row) => [row.id, row])), misfits };
}
