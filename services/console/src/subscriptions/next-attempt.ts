import { SubscriptionState } from "@posthaste/contracts/subscription";

/** What is said instead of the time of the next attempt, which does not come by itself. */
const INSTEAD: Partial<Record<SubscriptionState, string>> = {
  [SubscriptionState.PAUSED]: "when resumed",
  [SubscriptionState.DISABLED]: "when resumed",
  [SubscriptionState.ENDED]: "none",
};

/**
 * Returns what is said of a subscription's next attempt instead of its time. Undefined: its time tells. A
 * subscription that is not active may still have one: of a delivery that was in flight as it was paused.
 */
export function insteadOfNext(state: SubscriptionState): string | undefined {
  return INSTEAD[state];
}
