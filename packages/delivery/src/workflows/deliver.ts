import {
  ActivityFailure,
  ApplicationFailure,
  continueAsNew,
  isCancellation,
  patched,
  proxyActivities,
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
/** The activity beats every second; a worker that is gone is noticed after this. */
const HEARTBEAT_TIMEOUT_MS = 5_000;
/** The first pause after a fault of ours; it doubles with each further one. */
const FAULT_PAUSE_MS = 1_000;
/** The longest pause: an outage of ours is over for every delivery a minute after it is over. */
const FAULT_PAUSE_MAX_MS = 60_000;
/** An activity that lived this long had recovered from the faults before it. */
const FAULTS_FORGOTTEN_AFTER_MS = 5 * 60_000;

const BOUNDS = { startToCloseTimeout: START_TO_CLOSE_MS, heartbeatTimeout: HEARTBEAT_TIMEOUT_MS };
/** The first attempt; what it fails with, {@link retries} find in the log. */
const first = proxyActivities<Activities>({ ...BOUNDS, retry: { maximumAttempts: 1 } }).attemptDelivery;
const retries = proxyActivities<Activities>({
  ...BOUNDS,
  retry: RETRY_POLICY,
  taskQueue: RETRY_QUEUE,
}).attemptDelivery;
/** As it was when all attempts were one activity: for workflows that began then. */
const all = proxyActivities<Activities>({ ...BOUNDS, retry: RETRY_POLICY }).attemptDelivery;

/** Since workflows make the first attempt apart from the retries. */
const FIRST_APART = "first-attempt-apart";

/**
 * Carries one delivery to its end.
 *
 * The first attempt is an activity of its own, on a task queue that retries do not clog. Once it has failed, one activity
 * carries the rest: it replays the log, so that Temporal's attempt numbers are the log's, and its retry policy is the
 * schedule and nothing else: no timer here competes with it. What this code adds is that faults of ours (a database away, a worker killed, a bug) cost the receiver none of its attempts. Such a
 * fault ends the activity; it is run again after a short pause, and replays the attempt log: Temporal's attempt
 * numbers run up to the log's without a request, and what was left of the last wait is waited.
 *
 * Not guaranteed: that an attempt cut off in the middle of its POST is not made again. Delivery is at least once.
 */
export async function deliver(input: DeliverInput): Promise<DeliverResult> {
  let faults = 0;
  let attempt = patched(FIRST_APART) ? first : all;
  for (;;) {
    const begunAt = Date.now();
    try {
      return await attempt(input);
    } catch (error) {
      if (attempt === first && hasType(error, ATTEMPT_FAILED)) {
        attempt = retries;
        continue;
      }
      // Its turn is written down; the replay waits for it.
      if (hasType(error, NOT_YET)) {
        if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof deliver>(input);
        continue;
      }
      if (!isFault(error)) throw rootOf(error);
    }
    faults = Date.now() - begunAt > FAULTS_FORGOTTEN_AFTER_MS ? 1 : faults + 1;
    const pause = Math.min(FAULT_PAUSE_MS * 2 ** (faults - 1), FAULT_PAUSE_MAX_MS);
    await sleep(pause * (0.5 + Math.random() / 2));
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof deliver>(input);
  }
}

function isFault(error: unknown): boolean {
  if (!(error instanceof ActivityFailure) || isCancellation(error)) return false;
  const cause = error.cause;
  return cause instanceof TimeoutFailure || (cause instanceof ApplicationFailure && cause.type === FAULT);
}

function hasType(error: unknown, type: string): boolean {
  return (
    error instanceof ActivityFailure && error.cause instanceof ApplicationFailure && error.cause.type === type
  );
}

/** The activity's own words, without Temporal's "Activity task failed" around them. */
function rootOf(error: unknown): unknown {
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error;
}
