import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "@posthaste/contracts/error-details";
import type { RefusedField } from "@posthaste/domain";
import type { ReasonName } from "../http/refusal-table.ts";

/** What distinguishes Posthaste's reasons from those of a proxy before it. */
const DOMAIN = "posthaste";

/**
 * The characters of a field's name and of what is wrong with it. Over gRPC, details travel in trailers, which
 * some clients bound at 8 KiB, and a name may be a caller's key of any length.
 */
const FIELD_CHARS_MAX = 100;
const DESCRIPTION_CHARS_MAX = 200;
/** The fields that an answer names, as many as there are violations in one. */
const FIELDS_MAX = 10;

/** Why a call fails. */
export type Why = {
  readonly reason: ReasonName;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly fields?: readonly RefusedField[];
  readonly retryAfterMs?: number | undefined;
};

/** The details of an error that Posthaste answers with. */
export type ErrorDetails = NonNullable<ConstructorParameters<typeof ConnectError>[3]>;

/** Returns the standard details (`google.rpc`) by which a program can act on an error. */
export function detailsFor({ reason, metadata = {}, fields = [], retryAfterMs }: Why): ErrorDetails {
  const details: ErrorDetails = [{ desc: ErrorInfoSchema, value: { reason, domain: DOMAIN, metadata } }];
  if (fields.length > 0) {
    const fieldViolations = fields.slice(0, FIELDS_MAX).map(({ field, message }) => ({
      field: field.slice(0, FIELD_CHARS_MAX),
      description: message.slice(0, DESCRIPTION_CHARS_MAX),
    }));
    details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  if (retryAfterMs !== undefined)
    details.push({ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(Math.ceil(retryAfterMs)) } });
  return details;
}
