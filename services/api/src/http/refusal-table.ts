import { Code } from "@connectrpc/connect";
import type { RefusalCode } from "@posthaste/domain";

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
} as const satisfies Record<RefusalCode, { connect: Code; http: number; title: string }>;

/** `WWW-Authenticate` of an unauthenticated request (RFC 6750). */
export const CHALLENGE = 'Bearer realm="posthaste"';

/** Returns the value of `Retry-After`: whole seconds, rounded up so that a retry is never too early. */
export function retryAfterSeconds(retryAfterMs: number): string {
  return String(Math.ceil(retryAfterMs / 1000));
}
