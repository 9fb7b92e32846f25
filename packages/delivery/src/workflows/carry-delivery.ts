import { MINUTE_MS } from "@posthaste/domain/durations";
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
  HEARTBEAT_TIMEOUT_MS,
  NOT_YET,
  retryQueueBeside,
  UNKNOWN_KEY,
} from "../names.ts";
import { RETRY_POLICY } from "./retry-policy.ts";

/** Twice the sum of the longest attempt (30 s) and the retries of its database write (30 s). */
const START_TO_CLOSE_MS = 120_000;
/** The pause after the first fault. It doubles with each further fault. */
const FAULT_PAUSE_MS = 1_000;
/** The longest pause, and so the longest delay of a delivery after an outage of Posthaste. */
const FAULT_PAUSE_MAX_MS = MINUTE_MS;
/** If an activity ran for this long before a fault, earlier faults no longer count. */
const FAULTS_FORGOTTEN_AFTER_MS = 5 * MINUTE_MS;

/**
 * Runs the first attempt as a local activity, inside the workflow task. A workflow whose first attempt
 * succeeds has only that one task, which costs the server half as much as a regular activity.
 */
const inPlace = proxyLocalActivities<Activities>({
  startToCloseTimeout: START_TO_CLOSE_MS,
  retry: { maximumAttempts: 1 },
}).attemptDelivery;

/** Runs the retries as a regular activity, which operators can see, pause and unpause while it waits. */
const retriesBeside = (taskQueue: string) =>
  proxyActivities<Activities>({
    startToCloseTimeout: START_TO_CLOSE_MS,
    heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
    retry: RETRY_POLICY,
    taskQueue: retryQueueBeside(taskQueue),
  }).attemptDelivery;

/**
 * Carries one delivery to its end: runs the first attempt in its own task and, if that attempt fails, all
 * retries in one activity.
 *
 * The activity replays the attempt log, so that Temporal's attempt numbers equal the log's. Its retry policy
 * is the schedule. The workflow adds one rule: a fault of
 * Posthaste (the database is unreachable, a worker was killed, a bug) uses up no attempt, and neither does a
 * sealing key that a worker lacks. The policy does not
 * retry a fault. The workflow catches it and, after a short pause, runs the activity again, which replays the
 * logged attempts without a request and waits for the rest of the last wait.
 *
 * An attempt that is interrupted during its POST may be repeated: delivery is at least once.
 */
export async function carryDelivery(input: DeliverInput): Promise<DeliverResult> {
  const again = () => continueAsNew<typeof carryDelivery>({ ...input, isFailing: true });
  const retries = retriesBeside(workflowInfo().taskQueue);
  let faults = 0;
  // A failing receiver may hang: its attempts run with the retries, where they block no workflow task.
  let attempt = input.isFailing === true ? retries : inPlace;
  for (;;) {
    const begunAt = Date.now();
    try {
      return await attempt(input);
    } catch (error) {
      // A worker with the key may make it there: a local activity runs on this one again and again.
      const isElsewhere = hasType(error, ATTEMPT_FAILED) || hasType(error, UNKNOWN_KEY);
      if (attempt !== retries && isElsewhere) {
        attempt = retries;
        continue;
      }
      // The row contains the time of the attempt's turn, until which the replay waits.
      if (hasType(error, NOT_YET)) {
        if (workflowInfo().continueAsNewSuggested) await again();
        continue;
      }
      if (!isFault(error) && !hasType(error, UNKNOWN_KEY)) throw rootOf(error);
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

/** Returns the activity's own failure, without Temporal's wrapper "Activity task failed". */
function rootOf(error: unknown): unknown {
  const cause = causeOf(error);
  return cause instanceof ApplicationFailure ? cause : error;
}

/** Unwraps the failure of a regular activity. The failure of a local activity is not wrapped. */
function causeOf(error: unknown): unknown {
  return error instanceof ActivityFailure ? error.cause : error;
}
