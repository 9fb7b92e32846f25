import {
  ActivityFailure,
  ApplicationFailure,
  continueAsNew,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  sleep,
  TimeoutFailure,
  workflowInfo,
} from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import {
  ATTEMPT_FAILED,
  type DeliverInput,
  type DeliverResult,
  FAULT,
  NOT_YET,
  RETRY_QUEUE,
} from "../names.ts";
import { RETRY_POLICY } from "./retry-policy.ts";

/** The longest attempt (30 s) and patience with the database while its result is written (30 s), doubled. */
const START_TO_CLOSE_MS = 120_000;
/** The activity beats every second. A worker that is gone is noticed after this. */
const HEARTBEAT_TIMEOUT_MS = 5_000;
/** The first pause after a fault of ours; it doubles with each further one. */
const FAULT_PAUSE_MS = 1_000;
/** The longest pause: a minute after an outage of ours, every delivery goes on. */
const FAULT_PAUSE_MAX_MS = 60_000;
/** An activity that ran for this long had recovered from the faults before it. */
const FAULTS_FORGOTTEN_AFTER_MS = 5 * 60_000;

/**
 * The first attempt, within the workflow's own task. If it succeeds, the workflow is one task, which costs the server
 * half of what an activity of its own would.
 */
const inPlace = proxyLocalActivities<Activities>({
  startToCloseTimeout: START_TO_CLOSE_MS,
  retry: { maximumAttempts: 1 },
}).attemptDelivery;

/** A retry that waits is a pending activity, which operators see, pause and unpause. */
const retries = proxyActivities<Activities>({
  startToCloseTimeout: START_TO_CLOSE_MS,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry: RETRY_POLICY,
  taskQueue: RETRY_QUEUE,
}).attemptDelivery;

/**
 * Carries one delivery to its end: makes the first attempt within its own task and, once that has failed, lets one
 * activity carry the rest.
 *
 * That activity replays the log, so that Temporal's attempt numbers are the log's. Its retry policy is the schedule and
 * nothing else: no timer here competes with it. This code adds that faults of ours (a database away, a worker killed,
 * a bug) cost the receiver none of its attempts. Such a failure is not retryable for the policy. It is caught here,
 * and after a short pause the activity runs again: it replays the log's attempts without a request, and waits for
 * what is left of the last wait.
 *
 * Not guaranteed: that an attempt cut off in the middle of its POST is not made again. Delivery is at least once.
 */
export async function carryDelivery(input: DeliverInput): Promise<DeliverResult> {
  const again = () => continueAsNew<typeof carryDelivery>({ ...input, isFailing: true });
  let faults = 0;
  // An endpoint that fails may hang: it waits with the retries, and not in a task that others need.
  let attempt = input.isFailing === true ? retries : inPlace;
  for (;;) {
    const begunAt = Date.now();
    try {
      return await attempt(input);
    } catch (error) {
      if (attempt !== retries && hasType(error, ATTEMPT_FAILED)) {
        attempt = retries;
        continue;
      }
      // The row has the time of its turn; the replay waits for it.
      if (hasType(error, NOT_YET)) {
        if (workflowInfo().continueAsNewSuggested) await again();
        continue;
      }
      if (!isFault(error)) throw rootOf(error);
    }
    faults = Date.now() - begunAt > FAULTS_FORGOTTEN_AFTER_MS ? 1 : faults + 1;
    const pause = Math.min(FAULT_PAUSE_MS * 2 ** (faults - 1), FAULT_PAUSE_MAX_MS);
    await sleep(pause * (0.5 + Math.random() / 2));
    if (workflowInfo().continueAsNewSuggested) await again();
  }
}

function isFault(error: unknown): boolean {
  if (isCancellation(error)) return false;
  const cause = causeOf(error);
  return cause instanceof TimeoutFailure || hasType(error, FAULT);
}

function hasType(error: unknown, type: string): boolean {
  const cause = causeOf(error);
  return cause instanceof ApplicationFailure && cause.type === type;
}

/** The activity's own words, without Temporal's "Activity task failed" around them. */
function rootOf(error: unknown): unknown {
  const cause = causeOf(error);
  return cause instanceof ApplicationFailure ? cause : error;
}

/** A local activity's failure comes bare, another's within an `ActivityFailure`. */
function causeOf(error: unknown): unknown {
  return error instanceof ActivityFailure ? error.cause : error;
}
