import { Context } from "@temporalio/activity";
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
import { createStepPlaces } from "./step-places.ts";
import { withHeartbeats } from "./with-heartbeats.ts";

/** What Temporal's UI shows of an operation whose step is told to come again. */
const WITHOUT_PLACE = "waits for its account's turn among the recoveries and erasures";

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
  const places = createStepPlaces();
  return {
    async [ATTEMPT_ACTIVITY](input) {
      const context = Context.current();
      const { attempt: number, isLocal } = context.info;
      // A local activity has no heartbeat: it ends with its workflow task.
      if (isLocal) return await attemptDelivery(deps, input, { number, shares: deps.shares.first });
      const { retries } = deps.shares;
      return await withHeartbeats(context, () => attemptDelivery(deps, input, { number, shares: retries }));
    },
    async [RECOVER_ACTIVITY](input) {
      const { result, waitMs } = await places.run(input.accountId, () => recoverStep(deps, input));
      if (result === undefined) return { state: "running", waitMs, summary: WITHOUT_PLACE };
      return { ...result, waitMs: Math.max(result.waitMs, waitMs) };
    },
    async [ERASE_ACTIVITY](input) {
      const { result, waitMs } = await places.run(input.accountId, () => eraseStep(deps, input));
      return { ...(result ?? { isOver: false, summary: WITHOUT_PLACE }), waitMs };
    },
    [RETAIN_ACTIVITY]: (input) => retainStep(deps, deps.retention ?? RETENTION_AGES, input),
  };
}

export { attemptDirectly, type Direct } from "./attempt-directly.ts";
export { GIVE_UP_REASONS } from "./give-up.ts";
export { createHostPlaces, type HostPlaces } from "./host-places.ts";
export { createShares, type Shares } from "./shares.ts";
export type { AttemptDeps, AttemptObserver };
