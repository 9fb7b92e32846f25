import type { Socket } from "node:net";
import { parseRetryAfterMs, RETRY_AFTER_MAX_MS, waitAfterAttemptMs } from "@posthaste/domain";
import { type Answer, type Oddity, OK, okWith } from "./oddity.ts";

/** Thursday, 1 January 2026, at noon. */
const NOON = Date.UTC(2026, 0, 1, 12);
const MINUTE_MS = 60_000;
/** What the schedule waits after the first attempt. */
const SCHEDULED_MS = waitAfterAttemptMs(1, undefined);

/** What comes of `Retry-After` headers after a first attempt at noon: each has the same wait. */
function retriedAfter(waitMs: number | undefined, ...headers: readonly string[]) {
  return async () => {
    const waits = headers.map((header) => waitAfterAttemptMs(1, parseRetryAfterMs(header, NOON)));
    return { outcome: "status" as const, detail: waits.every((wait) => wait === waitMs) ? null : `${waits}` };
  };
}
const AS_EXPECTED: Oddity["expected"] = { outcome: "status", detail: null };

/** Answers the first request of each connection, and does this with the next. */
const onceAnd =
  (then: (socket: Socket) => void): Answer =>
  ({ socket, ofConnection }) =>
    ofConnection === 1 ? socket.write(OK) : then(socket);

const MISDIRECTED = OK.replace("200 OK", "421 Misdirected Request");
const TOO_LATE = OK.replace("200 OK", "408 Request Timeout");

export const TIMING: readonly Oddity[] = [
  {
    what: "says `retry-after` with a number of 11 or 400 digits",
    ...{ clause: "RFC 9110 10.2.3", isOwnBound: true, note: "retried after 24 h", expected: AS_EXPECTED },
    find: retriedAfter(RETRY_AFTER_MAX_MS, "99999999999", "9".repeat(400)),
  },
  {
    what: "says `retry-after` with a date, in any of the three forms",
    ...{ clause: "RFC 9110 5.6.7", note: "retried at that time", expected: AS_EXPECTED },
    find: retriedAfter(
      90 * MINUTE_MS,
      "Thu, 01 Jan 2026 13:30:00 GMT",
      "Thursday, 01-Jan-26 13:30:00 GMT",
      "Thu Jan  1 13:30:00 2026",
    ),
  },
  {
    what: "says `retry-after` with a date in the past, a negative number, a fraction or a word",
    ...{ clause: "RFC 9110 10.2.3", note: "retried by the schedule", expected: AS_EXPECTED },
    find: retriedAfter(SCHEDULED_MS, "Thu, 01 Jan 2026 11:00:00 GMT", "-1", "1.5", "soon", ""),
  },
  {
    what: "says `retry-after` with less than the schedule waits",
    ...{ clause: "RFC 9110 10.2.3", note: "retried by the schedule", expected: AS_EXPECTED },
    find: retriedAfter(SCHEDULED_MS, "0", "1", "599"),
  },
  {
    what: "answers 408 over a connection that was used before",
    ...{ clause: "RFC 9110 15.5.9", note: "sent once more", expected: { outcome: "accepted" } },
    receiver: { answer: onceAnd((socket) => socket.write(TOO_LATE)) },
  },
  {
    what: "answers 421 over a connection that was used before",
    ...{ clause: "RFC 9110 15.5.20", note: "sent once more", expected: { outcome: "accepted" } },
    receiver: { answer: onceAnd((socket) => socket.write(MISDIRECTED)) },
  },
  {
    what: "answers 408 over a new connection",
    ...{ clause: "RFC 9110 15.5.9", expected: { outcome: "status", status: 408, requests: 1 } },
    receiver: { answer: TOO_LATE },
  },
  {
    what: "closes a connection that was used before as the request arrives",
    ...{ clause: "RFC 9112 9.3.1", note: "sent once more", expected: { outcome: "accepted" } },
    receiver: { answer: onceAnd((socket) => socket.destroy()) },
  },
  {
    what: "closes a new connection as the request arrives",
    ...{ clause: "RFC 9110 9.2.2", note: "not sent again", expected: { outcome: "reset", requests: 1 } },
    receiver: { answer: ({ socket }) => socket.destroy() },
  },
  {
    what: "says `keep-alive: timeout=1`",
    ...{ clause: "RFC 2068 19.7.1.1", expected: { outcome: "accepted", isReused: false } },
    receiver: { answer: okWith("keep-alive: timeout=1") },
  },
  {
    what: "says `connection: close`, and leaves it open",
    ...{ clause: "RFC 9112 9.6", expected: { outcome: "accepted", isReused: false } },
    receiver: { answer: okWith("connection: close") },
  },
  {
    what: "never answers",
    ...{ clause: "RFC 9112 9.5", expected: { outcome: "timeout", status: null } },
    receiver: { answer: () => {} },
  },
  {
    what: "stops in the middle of its headers",
    ...{ clause: "RFC 9112 9.5", expected: { outcome: "timeout", status: null } },
    receiver: { answer: "HTTP/1.1 200 OK\r\ncontent-le" },
  },
  {
    what: "stops in the middle of its body",
    ...{ clause: "RFC 9112 9.5", expected: { outcome: "timeout", status: null } },
    receiver: { answer: OK.replace(": 2", ": 9") },
  },
  {
    what: "sends a body without end, a little at a time",
    ...{ clause: "RFC 9112 9.5", isOwnBound: true, expected: { outcome: "timeout", status: null } },
    receiver: {
      answer: ({ socket }) => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        const drip = setInterval(() => socket.write("."), 10);
        socket.once("close", () => clearInterval(drip));
      },
    },
  },
];
