import { type Delivery, DeliveryState } from "@posthaste/contracts/delivery";
import type { Tone } from "./tone.ts";

/** What a delivery is called in rows, filters and sums. Those of one state can differ. */
export type DeliveryStatus = { readonly name: string; readonly tone: Tone };

const IN_PROGRESS: DeliveryStatus = { name: "In progress", tone: "blue" };
const RETRYING: DeliveryStatus = { name: "Retrying", tone: "amber" };
const EXHAUSTED: DeliveryStatus = { name: "Exhausted", tone: "red" };
const FAILED: DeliveryStatus = { name: "Failed", tone: "red" };

const STATUSES: Readonly<Record<DeliveryState, readonly DeliveryStatus[]>> = {
  [DeliveryState.UNSPECIFIED]: [{ name: "Any state", tone: "grey" }],
  [DeliveryState.PENDING]: [{ name: "Pending", tone: "blue" }],
  [DeliveryState.STARTED]: [IN_PROGRESS, RETRYING],
  [DeliveryState.SUCCEEDED]: [{ name: "Succeeded", tone: "green" }],
  [DeliveryState.EXHAUSTED]: [EXHAUSTED, FAILED],
  [DeliveryState.CANCELLED]: [{ name: "Cancelled", tone: "grey" }],
  [DeliveryState.BLOCKED]: [{ name: "Blocked", tone: "red" }],
  [DeliveryState.PARKED]: [{ name: "Parked", tone: "amber" }],
};

/** Every state, in the order in which a filter offers them. */
export const DELIVERY_STATES = Object.keys(STATUSES).map(Number) as DeliveryState[];

/**
 * A started delivery is retrying from its first failed attempt on. A test event has only one attempt, which
 * fails and exhausts nothing.
 */
export function deliveryStatus(delivery: Pick<Delivery, "state" | "attempts" | "test">): DeliveryStatus {
  const { state, attempts, test } = delivery;
  if (state === DeliveryState.STARTED) return attempts > 0 ? RETRYING : IN_PROGRESS;
  if (state === DeliveryState.EXHAUSTED) return test ? FAILED : EXHAUSTED;
  return STATUSES[state][0] ?? IN_PROGRESS;
}

/** Returns the names of all deliveries in a state, such as `In progress or retrying`. */
export function stateName(state: DeliveryState): string {
  return STATUSES[state].map(({ name }, i) => (i === 0 ? name : name.toLowerCase())).join(" or ");
}
