import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { isTerminal, SCHEDULE, scheduledWaitMs } from "@posthaste/domain";
import type { Delivery } from "@posthaste/store";

/** The attempts that are still to come if each fails; none where the delivery has ended, is parked or was not begun. */
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
