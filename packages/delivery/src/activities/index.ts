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

/** How often a running attempt says that its worker is alive; a fifth of the workflow's heartbeat timeout. */
const HEARTBEAT_MS = 1_000;

/** The activities of the workflows, by the names that Temporal knows them by. */
export type Activities = {
  [ATTEMPT_ACTIVITY](input: DeliverInput): Promise<DeliverResult>;
  [RECOVER_ACTIVITY](input: RecoverInput): Promise<RecoverStep>;
  [ERASE_ACTIVITY](input: EraseInput): Promise<EraseStep>;
  [RETAIN_ACTIVITY](input: RetainInput): Promise<RetainStep>;
};

/**
 * Binds the activities to what they work with.
 *
 * An attempt that has begun is not cut off when Temporal cancels it (a pause by "retry now" looks like that, too): it
 * is bounded by its own timeout, and its result is worth having.
 */
export function createActivities(deps: AttemptDeps): Activities {
  return {
    async [ATTEMPT_ACTIVITY](input) {
      const { attempt, isLocal } = activityInfo();
      // One that is made within its workflow's task lives and dies with that.
      if (isLocal) return await attemptDelivery(deps, input, attempt);
      const beat = setInterval(() => heartbeat(), HEARTBEAT_MS);
      try {
        return await attemptDelivery(deps, input, attempt);
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
export type { AttemptDeps, AttemptObserver };
