import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@posthaste/contracts/error-details";
import type { RefusedField } from "@posthaste/domain";
import type { ReasonName } from "../http/refusal-table.ts";
import { detailsFor, shortenedText, type Why } from "./error-details.ts";
import { fieldsOf, fieldsOfType, nearestField, oneOf, valuesOf } from "./request-fields.ts";
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

/** Its message for two members of a oneof, of which a message can have one. */
const BOTH_OF_ONE = /^cannot decode oneof [\w.]+ from JSON: oneof set multiple times by (\w+) and (\w+)$/;
/** Connect's message for a malformed deadline. */
const WRONG_DEADLINE = /^protocol error: invalid (connect|grpc) timeout value: (.*)$/s;

/** The headers of deadlines by protocol, and what they take. */
const DEADLINES: Readonly<Record<string, RefusedField>> = {
  connect: {
    field: "connect-timeout-ms",
    message: "takes a whole number of milliseconds with at most 10 digits",
  },
  grpc: { field: "grpc-timeout", message: 'takes at most 8 digits and a unit, such as "20S"' },
};

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
  const { words = rawMessage, hint = "", ...why } = whyOf(error, request);
  const details = detailsFor(why);
  // Connect repeats a caller's names in full.
  const text = shortenedText(words) + hint;
  if (text !== rawMessage) return new ConnectError(text, code, undefined, details);
  error.details.push(...details);
  return error;
}

function invalid(message: string, why: Why): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, undefined, detailsFor(why));
}

type Told = Why & {
  /** What the error's message says instead of what Connect says. */
  readonly words?: string;
  /** What the caller probably meant or can send, for the end of the error's message. */
  readonly hint?: string;
};

function whyOf({ code, rawMessage }: ConnectError, request: DescMessage): Told {
  if (code === Code.InvalidArgument) {
    const [, type, unknown] = UNKNOWN_FIELD.exec(rawMessage) ?? [];
    if (type !== undefined && unknown !== undefined) {
      const hint = hintFor(type, unknown);
      return { reason: "FIELD_UNKNOWN", fields: [{ field: unknown, message: `is unknown${hint}` }], hint };
    }
    const [, field, message] = WRONG_FIELD.exec(rawMessage) ?? [];
    if (field !== undefined && message !== undefined)
      return { reason: "FIELD_INVALID", fields: [{ field, message }] };
    const [, one, other] = BOTH_OF_ONE.exec(rawMessage) ?? [];
    if (one !== undefined && other !== undefined) return bothOfOne(one, other);
    const [, wrongType, got] = WRONG_VALUE.exec(rawMessage) ?? [];
    // What is wrong with the request's own type is wrong with the whole message.
    if (wrongType !== undefined && got !== undefined && wrongType !== request.typeName)
      return wrongValue(wrongType, got, request);
    const [, protocol = "", value = ""] = WRONG_DEADLINE.exec(rawMessage) ?? [];
    const deadline = DEADLINES[protocol];
    if (deadline !== undefined) return wrongDeadline(deadline, value);
  }
  return { reason: REASONS[code] ?? "INTERNAL" };
}

function bothOfOne(one: string, other: string): Told {
  const message = `send one of ${one} and ${other}`;
  return {
    reason: "FIELD_INVALID",
    fields: [one, other].map((field) => ({ field, message })),
    words: `the message has ${one} and ${other}; send one of them`,
  };
}

function wrongDeadline(header: RefusedField, value: string): Told {
  const words = `the header ${header.field} ${header.message}, not ${JSON.stringify(value)}`;
  return { reason: "FIELD_INVALID", fields: [header], words };
}

/** The library names the type of a wrong value, but not its field: several may have that type. */
function wrongValue(type: string, got: string, request: DescMessage): Told {
  const candidates = fieldsOfType(request, type);
  const values = valuesOf(type);
  const takes = values.length > 0 ? `takes ${oneOf(values)}` : FORMS[type];
  const areFew = candidates.length > 0 && candidates.length <= FIELDS_NAMED_MAX;
  const hint = takes === undefined ? "" : `; ${areFew ? oneOf(candidates) : "the field"} ${takes}`;
  const [field] = candidates;
  if (field === undefined || candidates.length > 1) return { reason: "FIELD_INVALID", hint };
  const message = takes ?? `cannot be decoded: ${got}`;
  return { reason: "FIELD_INVALID", fields: [{ field, message }], hint };
}

/** Says which field a caller probably meant, or which there are. */
function hintFor(type: string, unknown: string): string {
  const near = nearestField(type, unknown);
  if (near !== undefined) return `; did you mean ${near}?`;
  const fields = fieldsOf(type);
  if (fields.length > FIELDS_NAMED_MAX) return "";
  return `; there is ${fields.length === 0 ? "no field" : fields.join(", ")}`;
}
