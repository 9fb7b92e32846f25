import { activityInfo, heartbeat } from "@temporalio/activity";
import {
  ATTEMPT_ACTIVITY,
  type DeliverInput,
  type DeliverResult,
  ERASE_ACTIVITY,
  type EraseInput,
  type EraseStep,
  RECOVER_ACTIVITY,
  RETAIN_ACTIVITY,
  type RecoverInput,
  type RecoverStep,
  type RetainInput,
  type RetainStep,
} from "../names.ts";
import { attemptDelivery } from "./attempt-delivery.ts";
import { eraseStep } from "./erase-step.ts";
import type { AttemptDeps, AttemptObserver } from "./make-attempt.ts";
import { recoverStep } from "./recover-step.ts";
import { RETENTION_AGES, retainStep } from "./retain-step.ts";

/** The interval of an attempt's heartbeats: a fifth of the workflow's heartbeat timeout. */
const HEARTBEAT_MS = 1_000;

/** The activities of all workflows, by activity type. */
export type Activities = {
  [ATTEMPT_ACTIVITY](input: DeliverInput): Promise<DeliverResult>;
  [RECOVER_ACTIVITY](input: RecoverInput): Promise<RecoverStep>;
  [ERASE_ACTIVITY](input: EraseInput): Promise<EraseStep>;
  [RETAIN_ACTIVITY](input: RetainInput): Promise<RetainStep>;
};

/**
 * Creates the activities with their dependencies.
 *
 * A running attempt ignores cancellation by Temporal, which includes the pause of a "retry now": its own
 * timeout bounds it, and its outcome must be logged.
 */
export function createActivities(deps: AttemptDeps): Activities {
  return {
    async [ATTEMPT_ACTIVITY](input) {
      const { attempt, isLocal } = activityInfo();
      // A local activity has no heartbeat: it ends with its workflow task.
      if (isLocal) return await attemptDelivery(deps, input, { number: attempt, shares: deps.shares.first });
      const beat = setInterval(() => heartbeat(), HEARTBEAT_MS);
      try {
        return await attemptDelivery(deps, input, { number: attempt, shares: deps.shares.retries });
      } finally {
        clearInterval(beat);
      }
    },
    [RECOVER_ACTIVITY]: (input) => recoverStep(deps, input),
    [ERASE_ACTIVITY]: (input) => eraseStep(deps, input),
    [RETAIN_ACTIVITY]: (input) => retainStep(deps, deps.retention ?? RETENTION_AGES, input),
  };
}

export { attemptDirectly, type Direct } from "./attempt-directly.ts";
export { createShares, type Shares } from "./shares.ts";
export type { AttemptDeps, AttemptObserver };
