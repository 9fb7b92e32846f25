import { describeOutcome, SCHEDULE, type TerminalState } from "@posthaste/domain";
import { ApplicationFailure, ApplicationFailureCategory } from "@temporalio/common";
import {
  ATTEMPT_FAILED,
  DELIVERY_FAILED,
  type DeliverResult,
  FAULT,
  NOT_YET,
  UNKNOWN_KEY,
} from "../names.ts";
import type { Tried } from "./make-attempt.ts";

/**
 * Returns the failure of an attempt that the receiver failed.
 *
 * @param nextAttemptAt when the next attempt is due, in epoch milliseconds. It is only part of the message,
 *   which Temporal's UI shows next to the pending activity
 * @param nextRetryDelayMs overrides the wait of Temporal's retry policy. Default: the policy's wait
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

/** Returns the failure of an attempt that must wait for its turn. */
export function notYet(untilMs: number, reason: string): ApplicationFailure {
  return waits(untilMs, reason);
}

/** Returns the failure of a retry that Temporal dispatched before it is due. */
export function handedOutEarly(dueAt: number): ApplicationFailure {
  return waits(dueAt, "Temporal dispatched the retry before it is due");
}

/**
 * Returns a failure that makes the workflow run the activity again. The activity then replays the log, so
 * that Temporal's attempt number and wait agree with the log.
 */
function waits(untilMs: number, reason: string): ApplicationFailure {
  return withoutStack({
    type: NOT_YET,
    message: `waiting until ${clockTime(untilMs)}: ${reason}`,
    category: ApplicationFailureCategory.BENIGN,
    nonRetryable: true,
  });
}

/**
 * Returns the failure of a fault. The error itself is only in the worker's log, because its text may quote a
 * query or an address.
 */
export function fault(what: string): ApplicationFailure {
  return withoutStack({
    type: FAULT,
    message: `internal error, not caused by the receiver: ${what}; see the worker's log`,
  });
}

/**
 * Returns the failure of work that waits until a worker has the key that sealed a secret.
 *
 * @param options.nonRetryable whether the workflow itself runs the work again, rather than Temporal by the
 *   activity's retry policy. Of an activity that an earlier release has begun, the policy does not know it
 */
export function unknownKey(keyId: string, { nonRetryable }: { nonRetryable: boolean }): ApplicationFailure {
  return withoutStack({
    type: UNKNOWN_KEY,
    message: `waiting for a worker with the sealing key ${keyId}: see Keys in docs/operations.md`,
    category: ApplicationFailureCategory.BENIGN,
    nonRetryable,
  });
}

/**
 * Ends a delivery's workflow: succeeded and cancelled complete it, exhausted and blocked fail it. The status
 * column of Temporal's workflow list therefore shows which deliveries did not arrive.
 *
 * @throws ApplicationFailure if the state is exhausted or blocked
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

/** Formats a time for operators, to the second. */
function clockTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/**
 * Creates a failure without a stack trace: it indicates no defect, and Temporal's UI should not show file
 * paths.
 */
function withoutStack(options: Parameters<typeof ApplicationFailure.create>[0]): ApplicationFailure {
  const failure = ApplicationFailure.create(options);
  failure.stack = "";
  return failure;
}
