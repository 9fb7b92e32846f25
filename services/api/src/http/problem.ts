import { Refusal } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import { isStoreAway, type Store, UnknownKey } from "@posthaste/store";
import type { FastifyReply } from "fastify";
import { CHALLENGE, REFUSALS, type ReasonName, retryAfterSeconds } from "./refusal-table.ts";
import type { ApiObserver, RequestLine } from "./request-line.ts";

/** A problem (RFC 9457) with its reason for programs and the field at fault. */
type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly reason: ReasonName;
  readonly field?: string;
};

/** Logs and counts a fault that failed a request. */
export type ReportFault = (error: unknown, line: RequestLine | undefined) => void;

export function createReportFault(log: Log, observer?: ApiObserver): ReportFault {
  return (error, line) => {
    log.error("request.faulted", error, { requestId: line?.id, ...line?.ids });
    observer?.faulted();
  };
}

/** A problem and the wait for its `Retry-After` header. */
type ProblemToSend = Omit<Problem, "type"> & { readonly retryAfterMs?: number | undefined };

export function sendProblem(reply: FastifyReply, { retryAfterMs, ...problem }: ProblemToSend): FastifyReply {
  if (retryAfterMs !== undefined) reply.header("retry-after", retryAfterSeconds(retryAfterMs));
  if (problem.status === 401) reply.header("www-authenticate", CHALLENGE);
  return reply.code(problem.status).type("application/problem+json").send(problemText(problem));
}

/** Returns the text of a problem, as `application/problem+json`. */
export function problemText(problem: Omit<Problem, "type">): string {
  return JSON.stringify({ type: "about:blank", ...problem } satisfies Problem);
}

/** Returns the problem that a refusal is. */
export function problemFor({ code, message, reason, field, retryAfterMs }: Refusal): ProblemToSend {
  const { http, title } = REFUSALS[code];
  return {
    title,
    status: http,
    detail: message,
    reason,
    ...(field === undefined ? {} : { field }),
    retryAfterMs,
  };
}

/** Returns how a call is answered whose error may pass by itself; undefined: it is an internal error. */
export function unavailableFor(store: Store, error: unknown): Refusal | undefined {
  if (isStoreAway(store, error)) {
    return new Refusal("unavailable", "the database is unavailable; try again in a moment", {
      reason: "DATABASE_UNAVAILABLE",
    });
  }
  // While keys are replaced: another process, or this one after its restart, has it.
  if (error instanceof UnknownKey) {
    return new Refusal("unavailable", "this server lacks a key that another one has; try again in a moment", {
      reason: "KEY_UNAVAILABLE",
    });
  }
  return undefined;
}

/** Returns what a caller may see of an error. Reports a fault. */
export function problemOf(
  { store, reportFault, bodyBytesMax }: { store: Store; reportFault: ReportFault; bodyBytesMax: number },
  error: unknown,
  line: RequestLine | undefined,
): ProblemToSend {
  if (error instanceof Refusal) return problemFor(error);
  const status = statusOf(error);
  if (status === 413) {
    return problemFor(new Refusal("too_large", `the body is over ${bodyBytesMax} bytes; send less`));
  }
  if (status === 415) {
    return {
      title: "Unsupported media type",
      status,
      detail:
        "send the body as application/json or application/x-www-form-urlencoded, in UTF-8 and without content-encoding",
      reason: "MEDIA_TYPE_UNSUPPORTED",
    };
  }
  if (status >= 400 && status < 500) {
    return {
      title: REFUSALS.invalid.title,
      status,
      detail: "the request cannot be read; see /api/docs",
      reason: "MESSAGE_UNREADABLE",
    };
  }
  reportFault(error, line);
  const unavailable = unavailableFor(store, error);
  return unavailable === undefined
    ? { title: "Internal error", status: 500, detail: "internal error", reason: "INTERNAL" }
    : problemFor(unavailable);
}

function statusOf(error: unknown): number {
  if (typeof error !== "object" || error === null || !("statusCode" in error)) return 500;
  return typeof error.statusCode === "number" ? error.statusCode : 500;
}
