import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { ErrorReason } from "@posthaste/contracts/error";
import { REFUSAL_CODES, REFUSAL_REASONS, type RefusalCode, type RefusalReason } from "@posthaste/domain";

/** Maps each refusal code to Connect, HTTP and a problem's title. No other place maps them. */
export const REFUSALS = {
  invalid: { connect: Code.InvalidArgument, http: 400, title: "Invalid request" },
  unauthenticated: { connect: Code.Unauthenticated, http: 401, title: "Authentication required" },
  forbidden: { connect: Code.PermissionDenied, http: 403, title: "Permission denied" },
  not_found: { connect: Code.NotFound, http: 404, title: "Not found" },
  already_exists: { connect: Code.AlreadyExists, http: 409, title: "Already exists" },
  wrong_state: { connect: Code.FailedPrecondition, http: 409, title: "Conflicting state" },
  too_large: { connect: Code.InvalidArgument, http: 413, title: "Request too large" },
  too_many: { connect: Code.ResourceExhausted, http: 429, title: "Too many requests" },
  unprocessable_url: { connect: Code.InvalidArgument, http: 422, title: "URL not allowed" },
  unavailable: { connect: Code.Unavailable, http: 503, title: "Temporarily unavailable" },
} as const satisfies Record<RefusalCode, { connect: Code; http: number; title: string }>;

/** The name of a reason, as it is sent. */
export type ReasonName = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/**
 * The reasons of errors that are no refusals; with those of refusals, they are all of the contracts. Some
 * occur only in RPCs, some only before a protocol is known.
 */
export const OTHER_REASONS = {
  INTERNAL: { connect: Code.Internal, http: 500 },
  DEADLINE_EXCEEDED: { connect: Code.DeadlineExceeded },
  CANCELED: { connect: Code.Canceled },
  UNSUPPORTED: { connect: Code.Unimplemented },
  ROUTE_UNKNOWN: { http: 404 },
  METHOD_NOT_ALLOWED: { http: 405 },
  MEDIA_TYPE_UNSUPPORTED: { http: 415 },
  INBOX_EXPIRED: { http: 410 },
} as const satisfies Record<Exclude<ReasonName, RefusalReason>, { connect?: Code; http?: number }>;

/** Lists each reason with the codes that it comes with, for the documents. */
export function documentedReasons(): readonly { reason: string; code?: string; http?: number }[] {
  const shown = (reason: string, { connect, http }: { connect?: Code; http?: number }) => ({
    reason,
    ...(connect === undefined ? {} : { code: codeToString(connect).toUpperCase() }),
    ...(http === undefined ? {} : { http }),
  });
  return [
    ...REFUSAL_CODES.flatMap((code) => REFUSAL_REASONS[code].map((reason) => shown(reason, REFUSALS[code]))),
    ...Object.entries(OTHER_REASONS).map(([reason, codes]) => shown(reason, codes)),
  ];
}

/** `WWW-Authenticate` of an unauthenticated request (RFC 6750). */
export const CHALLENGE = 'Bearer realm="posthaste"';

/** Returns the value of `Retry-After`: whole seconds, rounded up so that a retry is never too early. */
export function retryAfterSeconds(retryAfterMs: number): string {
  return String(Math.ceil(retryAfterMs / 1000));
}
