import type { DeliveryState } from "@posthaste/domain";

const RECONCILE_AFTER_MS = 120_000;

/**
 * The time columns of a delivery that a test brings to a state by hand: those that the state holds, and no others.
 *
 * @param at when its next attempt is due, if it has one
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
