import { SCHEDULE } from "@posthaste/domain/schedule";
import type { RetryPolicy } from "@temporalio/common";
import { FAULT, NOT_YET, UNKNOWN_KEY } from "../names.ts";

/**
 * The published schedule as Temporal's own retry policy.
 *
 * It does not retry faults and unknown sealing keys, because they must not use up the receiver's attempts,
 * and it does not retry attempts that must wait for their turn. In each case, the workflow runs the activity
 * again. The `TemporalTimeout:` entries are timeouts that the server detects (temporalio/temporal#2524). The
 * time-skipping test server ignores them.
 */
export const RETRY_POLICY: RetryPolicy = {
  initialInterval: SCHEDULE.initialIntervalMs,
  backoffCoefficient: SCHEDULE.backoffCoefficient,
  maximumInterval: SCHEDULE.maximumIntervalMs,
  maximumAttempts: SCHEDULE.maximumAttempts,
  nonRetryableErrorTypes: [
    FAULT,
    NOT_YET,
    UNKNOWN_KEY,
    "TemporalTimeout:StartToClose",
    "TemporalTimeout:Heartbeat",
  ],
};
