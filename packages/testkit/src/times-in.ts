import type { DeliveryState } from "@posthaste/domain";

const RECONCILE_AFTER_MS = 120_000;

/**
 * Returns the time columns of a delivery for a test that sets its state directly. Columns that the state does
 * not have are null.
 *
 * @param at when the next attempt is due, if the state has one (epoch milliseconds)
 */
export function timesIn(state: DeliveryState, at: number) {
  const isOpen = state === "pending" || state === "started";
  return {
    next_attempt_at: isOpen ? at : null,
    reconcile_after: state === "started" ? at + RECONCILE_AFTER_MS : null,
    turn_at: null,
    lease_owner: null,
    lease_until: null,
    in_flight_of: null,
  };
}
