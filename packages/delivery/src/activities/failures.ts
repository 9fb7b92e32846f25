import { describeOutcome, type Outcome, SCHEDULE, type TerminalState } from "@posthaste/domain";
import { ApplicationFailure, ApplicationFailureCategory } from "@temporalio/common";
import { ATTEMPT_FAILED, DELIVERY_FAILED, type DeliverResult, FAULT } from "../names.ts";

/** What these lines are made of; nothing the receiver or the subscriber wrote gets into Temporal. */
type Tried = { readonly number: number; readonly outcome: Outcome; readonly status: number | null };

/** The receiver failed; Temporal's policy times the next attempt, or `nextRetryDelayMs` where that is given. */
export function attemptFailed(tried: Tried, nextRetryDelayMs?: number): ApplicationFailure {
  return ApplicationFailure.create({
    type: ATTEMPT_FAILED,
    message: `attempt ${tried.number} of ${SCHEDULE.maximumAttempts}: ${words(tried)}`,
    category: ApplicationFailureCategory.BENIGN,
    ...(nextRetryDelayMs === undefined ? {} : { nextRetryDelay: nextRetryDelayMs }),
  });
}

/** A fault of ours. What it was is in the worker's log: its text may quote a query or an address. */
export function fault(what: string): ApplicationFailure {
  return ApplicationFailure.create({
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
      throw ApplicationFailure.create({
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
