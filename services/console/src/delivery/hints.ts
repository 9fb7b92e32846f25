import { type Attempt, Outcome } from "@posthaste/contracts/delivery";
import type { GuideSectionId } from "../guide/guide-address.ts";
import { tlsHint } from "./tls-hints.ts";

/** What an attempt's outcome means and what its receiver's owner can do, in at most two sentences. */
export type Hint = {
  readonly text: string;
  /** The section of the receivers guide that says more. */
  readonly section: HintSection;
  /** What the row of the section's table begins with that applies. Undefined: none does. */
  readonly row: string | undefined;
};

type HintSection = Extract<GuideSectionId, "answers" | "connections">;

/** The fields of an attempt that a hint depends on. */
export type HintedAttempt = Pick<
  Attempt,
  "outcome" | "status" | "address" | "detail" | "responseHeaders" | "responseBody"
>;

type HintOf = (attempt: HintedAttempt, isLast: boolean) => string | undefined;
const HINTS = {
  [Outcome.UNSPECIFIED]: ["answers", () => undefined],
  [Outcome.ACCEPTED]: ["answers", acceptedHint],
  [Outcome.STATUS]: ["answers", statusHint],
  [Outcome.REDIRECT]: ["answers", redirectHint],
  [Outcome.GONE]: [
    "answers",
    () =>
      "410 ends the subscription, unless the event was a test. If deliveries are still wanted, answer with " +
      "another status, create the subscription again, and send what was missed under Recover.",
  ],
  [Outcome.TIMEOUT]: ["connections", timeoutHint],
  [Outcome.REFUSED]: [
    "connections",
    () =>
      "Nothing accepted a connection at this address and port. Check that the receiver is running, listens on " +
      "the URL's port, and is not behind a firewall that refuses connections.",
  ],
  [Outcome.RESET]: [
    "connections",
    () =>
      "The connection was closed before the response was complete. The receiver, or a proxy in front of it, may " +
      "have crashed, restarted or given up on the request: look in their logs at the time of this attempt.",
  ],
  [Outcome.DNS]: ["connections", dnsHint],
  [Outcome.TLS]: ["connections", ({ detail }) => tlsHint(detail)],
  [Outcome.UNREACHABLE]: ["connections", unreachableHint],
  [Outcome.INVALID_RESPONSE]: ["connections", invalidResponseHint],
  [Outcome.BLOCKED]: ["connections", blockedHint],
} as const satisfies Record<Outcome, readonly [HintSection, HintOf]>;

/**
 * Returns the hint for an attempt; undefined if there is nothing to say, as for most accepted ones.
 *
 * @param isLast whether no attempt follows
 */
export function hintFor(attempt: HintedAttempt, isLast = false): Hint | undefined {
  const [section, hintOf] = HINTS[attempt.outcome];
  const text = hintOf(attempt, isLast);
  return text === undefined ? undefined : { text, section, row: rowFor(attempt) };
}

/** By outcome, how the first of its rows in the section on connections begins. */
const CONNECTION_ROWS: Partial<Record<Outcome, string>> = {
  [Outcome.TIMEOUT]: "timed-out",
  [Outcome.REFUSED]: "connection-refused",
  [Outcome.RESET]: "connection-closed",
  [Outcome.DNS]: "dns-lookup-failed",
  [Outcome.TLS]: "tls-error",
  [Outcome.UNREACHABLE]: "unreachable",
  [Outcome.INVALID_RESPONSE]: "invalid-response",
  [Outcome.BLOCKED]: "address-not-allowed",
};
/** The statuses with a row that have no hint of their own, and 410, whose outcome is another. */
const OTHER_ROWS: ReadonlySet<number> = new Set([201, 202, 204, 301, 302, 303, 304, 307, 308, 410]);

function rowFor(attempt: HintedAttempt): string | undefined {
  const { outcome, status } = attempt;
  if (outcome in CONNECTION_ROWS) return CONNECTION_ROWS[outcome];
  if (isHtmlPage(attempt) && outcome === Outcome.ACCEPTED) return "an-html-page-with-200";
  if (isHtmlPage(attempt) && status === 500) return "an-html-page-with-500";
  if (status in BY_STATUS || OTHER_ROWS.has(status)) return `${status}`;
  return status >= 200 && status <= 299 ? "another-2xx" : undefined;
}

function acceptedHint(attempt: HintedAttempt): string | undefined {
  if (!isHtmlPage(attempt)) return undefined;
  return "The response is an HTML page. If it is a landing or login page, the URL does not lead to the receiver.";
}

const BY_STATUS: Readonly<Record<number, string>> = {
  400: "The receiver calls the request invalid, and its response may say why. If it verifies signatures, check its secret and its clock.",
  401: "The receiver wants credentials, or other ones than it got. Check the subscription's receiver credential and custom headers.",
  403: "The receiver, or a firewall in front of it, forbids the request. Check the subscription's credentials, and whether a firewall or a bot filter keeps deliveries out.",
  404: "The receiver has nothing at this path. Check the subscription's URL, and that the receiver's route is deployed.",
  405: "The receiver takes no POST at this path, and deliveries are always sent with POST. Check the subscription's URL and the receiver's route.",
  408: "The receiver, or a proxy in front of it, stopped waiting for the request. If this happens often, raise its limit for reading requests.",
  413: "The receiver, or a proxy in front of it, takes no body of this size. Allow a little more than 1 MiB, the largest snapshot.",
  415: "The receiver does not take this content type. Deliveries are always sent as application/json.",
  422: "The receiver understood the request and rejects its content, and its response may say why. If it validates fields, compare them with the event type's schema.",
  429: "The receiver gets more requests than it allows. Lower the subscription's rate or concurrent attempts, or let the receiver answer with a retry-after header.",
  500: "The receiver failed while it handled the request. Look in its log at the time of this attempt.",
  502: "This status usually comes from a proxy that got no valid response from the receiver behind it. Check that the receiver is running and that the proxy has its address.",
  503: "The receiver, or a proxy in front of it, is not available at the moment. The next attempt follows the schedule, or a retry-after header that asks for a longer wait.",
  504: "This status usually comes from a proxy that waited too long for the receiver behind it. Let the receiver store the event, answer at once, and do the work afterwards.",
};
/** The statuses after which a wait in the response is most often meant. It is honoured after every status. */
const WAITING: ReadonlySet<number> = new Set([429, 503]);

function statusHint(attempt: HintedAttempt, isLast: boolean): string {
  const { status } = attempt;
  if (status >= 200 && status <= 299) {
    return (
      `The receiver answered ${status}, but this subscription counts only 200 as delivered. Answer 200, or ` +
      "set the subscription's accepted statuses to 200 to 299."
    );
  }
  if (status === 503 && isLast) {
    return "The receiver, or a proxy in front of it, was not available. Send the event again once it is.";
  }
  if (WAITING.has(status) && !isLast && hasHeader(attempt, "retry-after")) {
    return (
      "The receiver asked to wait with a retry-after header. It is honoured if it is longer than the " +
      "schedule's wait, up to 24 hours."
    );
  }
  // The statuses whose hints speak of a proxy say it already.
  if (status === 500 && isHtmlPage(attempt)) {
    return (
      "The response is an HTML page, which may come from a proxy or a framework in front of your code. Look " +
      "in their logs, too, at the time of this attempt."
    );
  }
  return BY_STATUS[status] ?? otherStatusHint(status);
}

function otherStatusHint(status: number): string {
  if (status >= 500 && status <= 599) {
    return "The receiver, or a proxy in front of it, reports an error of its own. Look in their logs at the time of this attempt.";
  }
  return `A delivery counts as delivered when the receiver answers 200. It answered ${status}, and its response may say why.`;
}

function redirectHint(attempt: HintedAttempt): string {
  if (attempt.status === 304) {
    return "304 is an answer to readers of pages, and no answer to POST. Answer 200 when the delivery is stored.";
  }
  return hasHeader(attempt, "location")
    ? "Redirects are never followed. Give the address in the response's location header as the subscription's URL, if it is your receiver's."
    : "Redirects are never followed, and this one names no location. Give the receiver's final address as the subscription's URL.";
}

function timeoutHint({ address, detail }: HintedAttempt): string {
  if (detail.includes("proxy")) {
    return "The sender's outbound proxy did not reach the receiver in time. Check that the receiver accepts connections from the internet.";
  }
  const ms = /within (\d+) ms/.exec(detail)?.[1];
  const within = ms === undefined ? "in time" : `within ${Number(ms) / 1_000} s`;
  return address === ""
    ? `There was no connection to the receiver ${within}. Check that no firewall drops connections silently, and that the host's name servers answer.`
    : `The receiver did not complete its response ${within}. Store the event, answer at once, and do the work afterwards; the subscription's timeout can be 30 s at most.`;
}

function dnsHint({ detail }: HintedAttempt): string {
  if (detail === "ENOTFOUND" || detail === "EAI_NONAME") {
    return "The host name in the URL was not found. Check its spelling, and its records in DNS.";
  }
  if (detail === "ENODATA" || detail === "EAI_NODATA") {
    return "The host name in the URL has no address. Add an A or AAAA record to DNS.";
  }
  return "The host name's servers gave no answer, which may pass by itself. If it stays, check the domain's name servers.";
}

function unreachableHint({ detail }: HintedAttempt): string {
  return detail.startsWith("PROXY_")
    ? "The sender's outbound proxy opened no connection to the receiver. Check that the receiver accepts connections from the internet; if it does, ask the sender's operator."
    : "No way in the network led to the receiver's address. Check the host's A and AAAA records; if it has only IPv6 addresses, ask the sender's operator whether workers have IPv6.";
}

const TOO_MUCH: ReadonlySet<string> = new Set([
  "UND_ERR_HEADERS_OVERFLOW",
  "TOO_MANY_INTERIM_RESPONSES",
  "TOO_MUCH_FRAMING",
]);

function invalidResponseHint({ detail }: HintedAttempt): string {
  return TOO_MUCH.has(detail)
    ? "The response has more headers or interim responses than are read. Answer with at most 200 headers of 16 KiB together."
    : "The response was not valid HTTP/1.1. Check that the URL's port speaks HTTP, and that its scheme is https if the port speaks TLS.";
}

function blockedHint({ detail }: HintedAttempt): string {
  return detail.startsWith("port")
    ? "Deliveries may not reach the URL's port, so this one is not tried again. Use port 443, or another one that the sender's operator allows."
    : "Deliveries may not reach this address, so this one is not tried again. Use an address on the public internet, or ask the sender's operator to allow yours.";
}

function hasHeader({ responseHeaders }: HintedAttempt, wanted: string): boolean {
  return responseHeaders.some(({ name, value }) => name === wanted && value !== "");
}

/** Many frameworks label every response as HTML, so the body must look like a page, too. */
function isHtmlPage({ responseHeaders, responseBody }: HintedAttempt): boolean {
  const type = responseHeaders.find(({ name }) => name === "content-type")?.value ?? "";
  const start = new TextDecoder().decode(responseBody.subarray(0, 512));
  return /^\s*text\/html\b/i.test(type) && /^\s*<(!doctype html|html)\b/i.test(start);
}
