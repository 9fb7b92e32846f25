import { describeOutcome, SCHEDULE, type TerminalState } from "@posthaste/domain";
import { ApplicationFailure, ApplicationFailureCategory } from "@temporalio/common";
import { ATTEMPT_FAILED, DELIVERY_FAILED, type DeliverResult, FAULT, NOT_YET } from "../names.ts";
import type { Tried } from "./make-attempt.ts";

/**
 * The receiver failed; Temporal's policy times the next attempt, or `nextRetryDelayMs` where that is given.
 *
 * @param nextAttemptAt for people; Temporal's UI shows the message beside the pending activity
 */
export function attemptFailed(
  tried: Tried,
  nextAttemptAt: number | null,
  nextRetryDelayMs?: number,
): ApplicationFailure {
  const next = nextAttemptAt === null ? "" : `; next attempt at ${clockTime(nextAttemptAt)}`;
  return withoutStack({
    type: ATTEMPT_FAILED,
    message: `attempt ${tried.number} of ${SCHEDULE.maximumAttempts}: ${words(tried)}${next}`,
    category: ApplicationFailureCategory.BENIGN,
    ...(nextRetryDelayMs === undefined ? {} : { nextRetryDelay: nextRetryDelayMs }),
  });
}

/** Nobody failed: the subscription's rate or concurrency lets the attempt in later. */
export function notYet(untilMs: number): ApplicationFailure {
  return waits(`for its turn until ${clockTime(untilMs)}: the subscription's rate or concurrency is used up`);
}

/** Nobody failed: Temporal handed the retry out before it is due. */
export function handedOutEarly(dueAt: number): ApplicationFailure {
  return waits(`until ${clockTime(dueAt)}, when it is due: it was handed out early`);
}

/**
 * The workflow runs the activity again, whose replay brings Temporal's count and wait in step with the log.
 */
function waits(how: string): ApplicationFailure {
  return withoutStack({
    type: NOT_YET,
    message: `waits ${how}`,
    category: ApplicationFailureCategory.BENIGN,
    nonRetryable: true,
  });
}

/** A fault of ours. What it was is in the worker's log: its text may quote a query or an address. */
export function fault(what: string): ApplicationFailure {
  return withoutStack({
    type: FAULT,
    message: `a fault of ours, not the receiver's: ${what}; the worker's log says more`,
  });
}

/**
 * How a delivery's end reaches Temporal: succeeded and cancelled complete the workflow, exhausted and blocked fail
 * it, so that the list of workflows shows by its status column which deliveries did not arrive.
 */
export function ended(state: TerminalState, attempts: number, last: Tried | undefined): DeliverResult {
  const summary =
    last === undefined ? `${state} without an attempt` : `${state} after ${count(attempts)}: ${words(last)}`;
  switch (state) {
    case "succeeded":
    case "cancelled":
      return { state, attempts, summary };
    case "exhausted":
    case "blocked":
      throw withoutStack({
        type: DELIVERY_FAILED,
        message: summary,
        nonRetryable: true,
        category: ApplicationFailureCategory.BENIGN,
        details: [{ state, attempts } satisfies Partial<DeliverResult>],
      });
  }
}

function words(tried: Tried): string {
  return `the receiver ${describeOutcome(tried.outcome, tried.status ?? undefined)}`;
}

function count(attempts: number): string {
  return attempts === 1 ? "1 attempt" : `${attempts} attempts`;
}

/** As people read it, to the second. */
function clockTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** What people read in Temporal's UI: without a stack, since it tells of no defect, and paths are nobody's business. */
function withoutStack(options: Parameters<typeof ApplicationFailure.create>[0]): ApplicationFailure {
  const failure = ApplicationFailure.create(options);
  failure.stack = "";
  return failure;
}
