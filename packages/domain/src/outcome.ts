import { scheduledWaitMs } from "./schedule.ts";
import type { Acceptance, TerminalState } from "./vocabulary.ts";

/** The result of one attempt, as far as the receiver caused it. A fault of Posthaste is never an outcome. */
export const OUTCOMES = [
  "accepted",
  "status",
  "redirect",
  "gone",
  "timeout",
  "refused",
  "reset",
  "dns",
  "tls",
  "unreachable",
  "invalid_response",
  "blocked",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What follows from an outcome: success, another attempt, or the end of the delivery. */
export type Verdict = "delivered" | "retry" | "end_subscription" | "block";

const VERDICTS = {
  accepted: "delivered",
  status: "retry",
  redirect: "retry",
  gone: "end_subscription",
  timeout: "retry",
  refused: "retry",
  reset: "retry",
  dns: "retry",
  tls: "retry",
  unreachable: "retry",
  invalid_response: "retry",
  blocked: "block",
} as const satisfies Record<Outcome, Verdict>;

export function verdictOf(outcome: Outcome): Verdict {
  return VERDICTS[outcome];
}

/** Returns the outcome of a response with this status, under the subscription's acceptance rule. */
export function outcomeOfStatus(
  status: number,
  acceptance: Acceptance,
): Extract<Outcome, "accepted" | "status" | "redirect" | "gone"> {
  if (status === 200) return "accepted";
  if (acceptance === "ANY_2XX" && status >= 200 && status <= 299) return "accepted";
  if (status === 410) return "gone";
  if (status >= 300 && status <= 399) return "redirect";
  return "status";
}

/**
 * Returns the final state of a delivery after attempt `number` with this outcome; undefined if another
 * attempt follows. A test event gets one attempt, and a 410 to it does not end the subscription.
 */
export function terminalStateAfter(
  number: number,
  outcome: Outcome,
  isTest = false,
): TerminalState | undefined {
  const verdict = verdictOf(outcome);
  switch (verdict) {
    case "delivered":
      return "succeeded";
    case "end_subscription":
      return isTest ? "exhausted" : "cancelled";
    case "block":
      return "blocked";
    case "retry":
      return isTest || scheduledWaitMs(number) === undefined ? "exhausted" : undefined;
  }
}

/**
 * Describes an outcome, as a predicate of "the receiver …", for Temporal's UI and error messages. The text is
 * short and contains nothing that the receiver sent, except the status.
 */
export function describeOutcome(outcome: Outcome, status: number | undefined): string {
  switch (outcome) {
    case "accepted":
      return `accepted the delivery with status ${status}`;
    case "status":
      return `answered ${status}, which does not count as delivered`;
    case "redirect":
      return `answered ${status}; redirects are not followed`;
    case "gone":
      return "answered 410: the subscription is no longer wanted";
    case "timeout":
      return "did not answer in time";
    case "refused":
      return "refused the connection";
    case "reset":
      return "closed the connection before its response was complete";
    case "dns":
      return "has a host name that does not resolve";
    case "tls":
      return "could not be authenticated: TLS failed";
    case "unreachable":
      return "could not be reached";
    case "invalid_response":
      return "sent a response that is not valid HTTP";
    case "blocked":
      return "has an address that deliveries may not reach";
  }
}
