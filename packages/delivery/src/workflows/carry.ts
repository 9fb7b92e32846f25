import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  sleep,
  TimeoutFailure,
  workflowInfo,
} from "@temporalio/workflow";
import { ATTEMPT_FAILED, type DeliverInput, type DeliverResult, FAULT, NOT_YET } from "../names.ts";

/** The longest attempt (30 s) and patience with the database while its result is written (30 s), doubled. */
export const START_TO_CLOSE_MS = 120_000;
/** The first pause after a fault of ours; it doubles with each further one. */
const FAULT_PAUSE_MS = 1_000;
/** The longest pause: an outage of ours is over for every delivery a minute after it is over. */
const FAULT_PAUSE_MAX_MS = 60_000;
/** An activity that lived this long had recovered from the faults before it. */
const FAULTS_FORGOTTEN_AFTER_MS = 5 * 60_000;

type AttemptDelivery = (input: DeliverInput) => Promise<DeliverResult>;

/**
 * Carries one delivery to its end: makes the first attempt by `first`, and once that has failed lets one activity, `retries`, carry
 * the rest.
 *
 * That activity replays the log, so that Temporal's attempt numbers are the log's, and its retry policy is the schedule and nothing else: no timer
 * here competes with it. What this code adds is that faults of ours (a database away, a worker killed, a bug) cost the
 * receiver none of its attempts. Such a failure is not retryable for the policy; it is caught here, and after a short pause the
 * activity is run again: it numbers up to the log's without a request, and what was left of the last wait is waited.
 *
 * Not guaranteed: that an attempt cut off in the middle of its POST is not made again. Delivery is at least once.
 *
 * @param again begins the workflow anew where its history has grown long; does not return
 */
export async function carry(
  input: DeliverInput,
  {
    first,
    retries,
    again,
  }: { first: AttemptDelivery; retries: AttemptDelivery; again: () => Promise<never> },
): Promise<DeliverResult> {
  let faults = 0;
  let attempt = first;
  for (;;) {
    const begunAt = Date.now();
    try {
      return await attempt(input);
    } catch (error) {
      if (attempt !== retries && hasType(error, ATTEMPT_FAILED)) {
        attempt = retries;
        continue;
      }
      // Its turn is written down; the replay waits for it.
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
