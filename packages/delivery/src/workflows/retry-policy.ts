import { SCHEDULE } from "@posthaste/domain/schedule";
import type { RetryPolicy } from "@temporalio/common";
import { FAULT, NOT_YET } from "../names.ts";

/**
 * The published schedule as Temporal's own retry policy.
 *
 * Faults of ours must not spend a receiver's attempts, so they are not retried here: the workflow catches them and
 * runs the activity again; and so it does where the subscription lets the attempt in later. `TemporalTimeout:` entries name timeouts of the server (supported since server 1.29; the
 * time-skipping test server ignores them).
 */
export const RETRY_POLICY: RetryPolicy = {
  initialInterval: SCHEDULE.initialIntervalMs,
  backoffCoefficient: SCHEDULE.backoffCoefficient,
  maximumInterval: SCHEDULE.maximumIntervalMs,
  maximumAttempts: SCHEDULE.maximumAttempts,
  nonRetryableErrorTypes: [FAULT, NOT_YET, "TemporalTimeout:StartToClose", "TemporalTimeout:Heartbeat"],
};
