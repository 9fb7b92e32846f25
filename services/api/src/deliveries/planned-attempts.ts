import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { isTerminal, SCHEDULE, scheduledWaitMs } from "@posthaste/domain";
import type { Delivery } from "@posthaste/store";

/**
 * Returns the attempts still to come if each of them fails; none if the delivery has ended, is parked, is a
 * test, or has no next attempt scheduled.
 */
export function plannedAttempts({ state, isTest, attempts, nextAttemptAt }: Delivery) {
  if (isTerminal(state) || state === "parked" || isTest || nextAttemptAt === null) return [];
  const planned = [];
  let dueAt = nextAttemptAt;
  for (let number = attempts + 1; number <= SCHEDULE.maximumAttempts; number += 1) {
    planned.push({ number, dueAt: timestampFromMs(dueAt) });
    dueAt += scheduledWaitMs(number) ?? 0;
  }
  return planned;
}
