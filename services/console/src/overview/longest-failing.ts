import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Subscription } from "@posthaste/contracts/subscription";

/** Returns at most `max` failing subscriptions, the longest failing first. */
export function longestFailing(failing: readonly Subscription[], max: number): Subscription[] {
  return failing.toSorted((one, other) => sinceMs(one) - sinceMs(other)).slice(0, max);
}

const sinceMs = ({ failingSince }: Subscription) =>
  failingSince === undefined ? Infinity : timestampMs(failingSince);
