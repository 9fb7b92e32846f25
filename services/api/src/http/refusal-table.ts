import { Code } from "@connectrpc/connect";
import type { RefusalCode } from "@posthaste/domain";

/** What each kind of refusal is on the wire: the only place that knows. */
export const REFUSALS = {
  invalid: { connect: Code.InvalidArgument, http: 400, title: "The request is not valid" },
  unauthenticated: { connect: Code.Unauthenticated, http: 401, title: "A valid token is needed" },
  forbidden: { connect: Code.PermissionDenied, http: 403, title: "The token may not do this" },
  not_found: { connect: Code.NotFound, http: 404, title: "There is no such thing" },
  already_exists: { connect: Code.AlreadyExists, http: 409, title: "It exists already" },
  wrong_state: { connect: Code.FailedPrecondition, http: 409, title: "Its state does not allow this" },
  too_large: { connect: Code.ResourceExhausted, http: 413, title: "The request is too large" },
  too_many: { connect: Code.ResourceExhausted, http: 429, title: "Too many requests" },
  unprocessable_url: { connect: Code.InvalidArgument, http: 422, title: "This URL may not be called" },
} as const satisfies Record<RefusalCode, { connect: Code; http: number; title: string }>;

/** The value of `Retry-After`: whole seconds, and never so few that trying again is too early. */
export function retryAfterSeconds(retryAfterMs: number): string {
  return String(Math.ceil(retryAfterMs / 1000));
}
