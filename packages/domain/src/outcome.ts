import { scheduledWaitMs } from "./schedule.ts";
import type { Acceptance, TerminalState } from "./vocabulary.ts";

/** What one attempt came to: the receiver's behaviour, as a value. A fault of ours is never an outcome. */
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

/** What follows from an outcome: delivered, another attempt, or the end of the delivery. */
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

/** The outcome of an answer with this status, under the subscription's rule of acceptance. */
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
 * The state a delivery ends in with attempt `number` and this outcome; undefined where another attempt follows. A test
 * is tried once, and whatever its receiver answers ends nothing else.
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

/** One readable line: for the log, Temporal's UI and error messages. Bounded, and free of what the receiver sent. */
export function describeOutcome(outcome: Outcome, status: number | undefined): string {
  switch (outcome) {
    case "accepted":
      return `accepted with status ${status}`;
    case "status":
      return `answered ${status}, which does not count as delivered`;
    case "redirect":
      return `answered ${status}, a redirect; redirects are not followed`;
    case "gone":
      return "answered 410: the subscription is no longer wanted";
    case "timeout":
      return "did not answer in time";
    case "refused":
      return "refused the connection";
    case "reset":
      return "closed the connection before the answer was complete";
    case "dns":
      return "has a name that does not resolve";
    case "tls":
      return "could not be trusted: TLS failed";
    case "unreachable":
      return "could not be reached";
    case "invalid_response":
      return "sent something that is not valid HTTP";
    case "blocked":
      return "has an address that may not be called";
  }
}
