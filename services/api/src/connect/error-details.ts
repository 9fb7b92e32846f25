import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "@posthaste/contracts/error-details";
import type { RefusedField } from "@posthaste/domain";
import type { ReasonName } from "../http/refusal-table.ts";

/** What distinguishes Posthaste's reasons from those of a proxy before it. */
const DOMAIN = "posthaste";

/*
 * Over gRPC an error travels in trailers, which some clients bound at 8 KiB: as text in percent-encoding, and
 * three times in its details, as Base64. It may hold a caller's name of any length, such as a schema's
 * property.
 */
const TEXT_BYTES_MAX = 1_800;
const FIELD_BYTES_MAX = 120;
const DESCRIPTION_BYTES_MAX = 300;
/** What all fields of an answer take together; the first is always named. */
const FIELDS_BYTES_MAX = 900;

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
  const fieldViolations = namedFields(fields).map(({ field, message }) => ({ field, description: message }));
  if (fieldViolations.length > 0) details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  if (retryAfterMs !== undefined)
    details.push({ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(Math.ceil(retryAfterMs)) } });
  return details;
}

/** Returns the first fields, as many as an answer has room for. */
export function namedFields(fields: readonly RefusedField[]): RefusedField[] {
  const named: RefusedField[] = [];
  let bytes = 0;
  for (const one of fields) {
    const field = shortened(one.field, FIELD_BYTES_MAX);
    const message = shortened(one.message, DESCRIPTION_BYTES_MAX);
    bytes += Buffer.byteLength(field + message);
    if (bytes > FIELDS_BYTES_MAX && named.length > 0) break;
    named.push({ field, message });
  }
  return named;
}

/** Cuts an error's text to what an answer has room for. */
export function shortenedText(text: string): string {
  return shortened(text, TEXT_BYTES_MAX);
}

/** Cuts a text after the last character that fits, as percent-encoding counts. */
function shortened(text: string, bytesMax: number): string {
  let bytes = 0;
  let kept = "";
  // Half of a surrogate pair, such as the end of a cut name, cannot be encoded.
  for (const char of text.slice(0, bytesMax + 1).toWellFormed()) {
    bytes += encodeURIComponent(char).length;
    if (bytes > bytesMax) return `${kept}…`;
    kept += char;
  }
  return kept;
}
