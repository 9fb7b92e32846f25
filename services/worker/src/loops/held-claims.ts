import type { DeliveryId } from "@posthaste/domain";
import { asOne, type Log } from "@posthaste/runtime";
import { type ClaimedDelivery, renewClaims, type Store } from "@posthaste/store";
import { createOutageLog, type WhatIsAway } from "./outage-log.ts";
import { createReportSetAside, type SetAsideWork } from "./report-set-aside.ts";

export type HeldClaimsOptions = {
  readonly store: Store;
  readonly log: Log;
  /** The installation's clock. */
  readonly now: () => number;
  /** Identifies this process in its leases. */
  readonly owner: string;
  /** The length of a lease, in milliseconds. */
  readonly leaseMs: number;
  /** Asked after a renewal that failed. */
  readonly whatIsAway: WhatIsAway;
  /** Called when claims cannot be renewed, with their number. */
  readonly onSetAside?: (work: SetAsideWork, count: number) => void;
};

/** The claims of the attempts that are under way in this process. */
export type HeldClaims = {
  add(delivery: ClaimedDelivery): void;
  remove(id: DeliveryId): void;
  /**
   * Returns whether this process safely holds a claim. One whose lease is nearly or all over is renewed
   * first: the process or its database was slow, and another worker may have the delivery by now. What is not
   * held must not be sent.
   */
  holds(id: DeliveryId): Promise<boolean>;
  /** Renews the claims that are older than a third of their lease. A failure is logged. */
  renew(): Promise<void>;
};

/**
 * Renewals in the length of a lease. Each renews the claims that are older than a third of their lease: most
 * attempts are over before. The first comes before two thirds have passed, so one may fail. Therefore a claim
 * with less than a third left has missed its renewals, and is not safe. What is left must be enough for the
 * request to begin, and covers what the clocks of two processes differ by.
 */
export const RENEWALS_IN_A_LEASE = 3;

/**
 * Keeps the claims of attempts that are under way. The caller renews them {@link RENEWALS_IN_A_LEASE} times
 * in the length of a lease.
 */
export function createHeldClaims(options: HeldClaimsOptions): HeldClaims {
  const { store, log, now, owner, leaseMs, whatIsAway, onSetAside } = options;
  const partMs = leaseMs / RENEWALS_IN_A_LEASE;
  /** Until when each lease lasts. */
  const leases = new Map<DeliveryId, number>();
  const outages = createOutageLog("claim_renewal", log, whatIsAway);
  const report = createReportSetAside(log, onSetAside);

  const renew = async (): Promise<void> => {
    const before = now() + leaseMs - partMs;
    const ids = [...leases].filter(([, leaseUntil]) => leaseUntil < before).map(([id]) => id);
    if (ids.length === 0) return void (await outages.idle());
    try {
      const { renewed, refused } = await renewClaims(store, { owner, ids, leaseMs, now });
      for (const [id, leaseUntil] of renewed) if (leases.has(id)) leases.set(id, leaseUntil);
      report("lease", refused);
      outages.succeeded();
    } catch (error) {
      await outages.failed(error);
    }
  };

  /** The renewal that attempts wait for. After a stall, they are many. */
  const renewForAll = asOne(renew);
  const isSafe = (id: DeliveryId) => (leases.get(id) ?? 0) - now() > partMs;
  return {
    add: ({ deliveryId, leaseUntil }) => void leases.set(deliveryId, leaseUntil),
    remove: (id) => void leases.delete(id),
    async holds(id) {
      // A renewal that began before this claim does not include it.
      for (let times = 0; times < 2 && !isSafe(id); times++) await renewForAll();
      return isSafe(id);
    },
    renew,
  };
}
