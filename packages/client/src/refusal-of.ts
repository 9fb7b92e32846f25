import { durationMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { ErrorReason, ErrorReasonSchema } from "@posthaste/contracts/error";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "@posthaste/contracts/error-details";

/** The domain of Posthaste's reasons. A proxy in between may send reasons of its own. */
const DOMAIN = "posthaste";

/** Why Posthaste did not do what a call asked for. */
export type CallRefusal = {
  /** `UNSPECIFIED`: the server is newer than this client, and has a reason that the client does not know. */
  readonly reason: ErrorReason;
  /** What the reason's comment names, such as the missing scope or the limit. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The fields at fault, as paths such as `events[3].data_json`. */
  readonly fields: readonly { readonly field: string; readonly message: string }[];
  /** How long to wait before another try; undefined if waiting does not help, or nobody knows how long. */
  readonly retryAfterMs: number | undefined;
};

/**
 * Reads why a call failed from its error. Returns undefined if the error is not Posthaste's answer, such as a
 * connection that broke or a deadline that passed before an answer.
 */
export function refusalOf(error: unknown): CallRefusal | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === DOMAIN);
  if (info === undefined) return undefined;
  const violations = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const known = ErrorReasonSchema.values.find(({ localName }) => localName === info.reason);
  return {
    reason: known?.number ?? ErrorReason.UNSPECIFIED,
    metadata: info.metadata,
    fields: violations.map(({ field, description: message }) => ({ field, message })),
    retryAfterMs: delay === undefined ? undefined : durationMs(delay),
  };
}
