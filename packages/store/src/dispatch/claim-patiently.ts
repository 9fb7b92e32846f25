import { isRowRefused, type Store } from "../database/store.ts";
import type { Claim } from "./claim.ts";
import type { ClaimRotation } from "./claim-rotation.ts";
import { claimVisited } from "./claim-visited.ts";
import type { ClaimedDelivery } from "./claimed-delivery.ts";

/**
 * How often a subscription's line was locked in a row before a claim waits for it. A line that is merely busy
 * is mostly found free sooner.
 */
const TRIES_MAX = 4;
/** Maximum deliveries of a claim that waits: the next call may have few places, and hands these out first. */
const PATIENT_MAX = 4;

/**
 * Claims for a subscription whose line was always locked when its turn came. Where many retries ask for their
 * turns, the database hands the line from one to the next, and only who waits gets it, too.
 *
 * This returns at once. What is claimed meanwhile is returned by the next claim; see
 * {@link takePatientClaims}. One claim of a rotation waits at a time, at most as long as the database lets a
 * lock be waited for: if the holder of the line hangs, that costs one connection and delays nobody. A process
 * that ends before its next claim leaves deliveries whose lease runs out.
 */
export function claimPatiently(store: Store, rotation: ClaimRotation, claim: Claim): void {
  const { patient } = rotation;
  const owed = rotation.owed().find(({ id, tries }) => tries >= TRIES_MAX && claim.isLeftOut?.(id) !== true);
  if (owed === undefined || patient.isWaiting) return;
  patient.isWaiting = true;
  const some = { ...claim, limit: Math.min(claim.limit, PATIENT_MAX) };
  // Not run again after a lock wait: another subscription may be waiting for its turn.
  const waited = store.db.transaction().execute((tx) => claimVisited(store, tx, [owed], some, "wait"));
  const noted = waited.then(
    ({ claimed, misfits }) => {
      const leaseUntil = claim.now + claim.leaseMs;
      patient.claims.push(...claimed.map((delivery) => ({ delivery, leaseUntil })));
      if (misfits.length > 0) claim.onRefused?.({ subscriptions: [], deliveries: misfits });
    },
    (error: unknown) => {
      // Otherwise its line stayed locked, or the database is unavailable: it comes again at its next turn.
      if (!isRowRefused(store, error)) return;
      claim.onRefused?.({ subscriptions: [{ item: owed.id, error }], deliveries: [] });
    },
  );
  void noted.finally(() => {
    patient.isWaiting = false;
    rotation.settled(owed.accountId, owed.id);
  });
}

/** Returns what claims that waited have claimed since the last call, at most `limit`, within their lease. */
export function takePatientClaims({ patient }: ClaimRotation, { limit, now }: Claim): ClaimedDelivery[] {
  const lasting = patient.claims.filter(({ leaseUntil }) => leaseUntil > now);
  patient.claims = lasting.slice(limit);
  return lasting.slice(0, limit).map(({ delivery }) => delivery);
}
