import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@posthaste/contracts/error-details";
import type { ReasonName } from "../http/refusal-table.ts";
import { detailsFor, shortenedText, type Why } from "./error-details.ts";
import { fieldsOf, nearestField, oneOf, onlyFieldOf, valuesOf } from "./request-fields.ts";
import { rewriteErrors } from "./rewrite-errors.ts";
import { wrapHandlers } from "./wrap-handlers.ts";

/** The prefix of Connect's messages for binary that cannot be decoded; a fault's is "internal error". */
const UNDECODABLE = "parse binary: ";
/** Connect's message for a body over its limit. Posthaste's own refusals for want of places say otherwise. */
const TOO_LARGE = /^message (?:size (?:\d+ )?)?is larger than configured readMaxBytes (\d+)/;
/** The messages of Protobuf's library for JSON that does not fit the contract. */
const UNKNOWN_FIELD = /^cannot decode message ([\w.]+) from JSON: key "(.*)" is unknown$/s;
const WRONG_FIELD = /^cannot decode field (?:\w+\.)+(\w+) from JSON: (.+)$/s;
const WRONG_VALUE = /^cannot decode (?:enum|message) ([\w.]+) from JSON:? (.+)$/s;

/** What the standard types are in JSON, whose messages do not say so. */
const FORMS: Readonly<Record<string, string>> = {
  "google.protobuf.Duration": 'takes seconds as text with an s, such as "20s"',
  "google.protobuf.Timestamp": 'takes a time as text (RFC 3339), such as "2030-01-31T12:00:00Z"',
};

/** How many fields of a message an answer names; a reader of more looks at the contract. */
const FIELDS_NAMED_MAX = 10;

/** The reasons of the errors that Connect itself makes. */
const REASONS: { readonly [code in Code]?: ReasonName } = {
  [Code.Canceled]: "CANCELED",
  [Code.InvalidArgument]: "MESSAGE_UNREADABLE",
  [Code.NotFound]: "NOT_FOUND",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.Unimplemented]: "UNSUPPORTED",
  [Code.Unavailable]: "SERVER_BUSY",
};

/**
 * Completes the errors that Connect makes itself before any interceptor runs, in the finished answer: all get
 * a reason, and a message that can never be accepted is answered with INVALID_ARGUMENT.
 *
 * For invalid binary Connect answers INTERNAL, and for what is too large RESOURCE_EXHAUSTED, which tells
 * clients to try again later.
 */
export function completeErrors(router: ConnectRouter): void {
  wrapHandlers(
    router,
    (handler) => async (request) =>
      await rewriteErrors(await handler(request), (error) => withReason(error, handler.method.input)),
  );
}

/**
 * Returns the error of a call with a reason for programs. An error that has one is returned as it is.
 *
 * @param request what the method takes
 */
export function withReason(error: ConnectError, request: DescMessage): ConnectError {
  if (error.findDetails(ErrorInfoSchema).length > 0) return error;
  const { code, rawMessage } = error;
  if (code === Code.Internal && rawMessage.startsWith(UNDECODABLE))
    return invalid(rawMessage, { reason: "MESSAGE_UNREADABLE" });
  const limit = code === Code.ResourceExhausted ? TOO_LARGE.exec(rawMessage)?.[1] : undefined;
  if (limit !== undefined) {
    const words = `the message is over ${limit} bytes, uncompressed; send less at once`;
    return invalid(words, { reason: "MESSAGE_TOO_LARGE", metadata: { limit } });
  }
  const { hint = "", ...why } = whyOf(error, request);
  const details = detailsFor(why);
  // Connect repeats a caller's names in full.
  const text = shortenedText(rawMessage) + hint;
  if (text !== rawMessage) return new ConnectError(text, code, undefined, details);
  error.details.push(...details);
  return error;
}

function invalid(message: string, why: Why): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, undefined, detailsFor(why));
}

/** @returns also what the caller probably meant or can send, for the end of the error's message */
function whyOf({ code, rawMessage }: ConnectError, request: DescMessage): Why & { readonly hint?: string } {
  if (code === Code.InvalidArgument) {
    const [, type, unknown] = UNKNOWN_FIELD.exec(rawMessage) ?? [];
    if (type !== undefined && unknown !== undefined) {
      const hint = hintFor(type, unknown);
      return { reason: "FIELD_UNKNOWN", fields: [{ field: unknown, message: `is unknown${hint}` }], hint };
    }
    const [, field, message] = WRONG_FIELD.exec(rawMessage) ?? [];
    if (field !== undefined && message !== undefined)
      return { reason: "FIELD_INVALID", fields: [{ field, message }] };
    const [, wrongType, got] = WRONG_VALUE.exec(rawMessage) ?? [];
    // What is wrong with the request's own type is wrong with the whole message.
    if (wrongType !== undefined && got !== undefined && wrongType !== request.typeName)
      return wrongValue(wrongType, got, request);
  }
  return { reason: REASONS[code] ?? "INTERNAL" };
}

/** The library names the type of a wrong value, but not its field. */
function wrongValue(type: string, got: string, request: DescMessage): Why & { readonly hint?: string } {
  const field = onlyFieldOf(request, type);
  const values = valuesOf(type);
  const takes = values.length > 0 ? `takes ${oneOf(values)}` : FORMS[type];
  const hint = takes === undefined ? "" : `; ${field ?? "the field"} ${takes}`;
  if (field === undefined) return { reason: "FIELD_INVALID", hint };
  return {
    reason: "FIELD_INVALID",
    fields: [{ field, message: takes ?? `cannot be decoded: ${got}` }],
    hint,
  };
}

/** Says which field a caller probably meant, or which there are. */
function hintFor(type: string, unknown: string): string {
  const near = nearestField(type, unknown);
  if (near !== undefined) return `; did you mean ${near}?`;
  const fields = fieldsOf(type);
  if (fields.length > FIELDS_NAMED_MAX) return "";
  return `; there is ${fields.length === 0 ? "no field" : fields.join(", ")}`;
}
