import { type Path, pathToString, reflect } from "@bufbuild/protobuf/reflect";
import { ValidationError, type Violation, violationsToProto } from "@bufbuild/protovalidate";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";
import { EVENT_DATA_BYTES_MAX } from "@posthaste/domain";
import { requireFewItems } from "./count-items.ts";
import { detailsFor, shortenedText, type Why } from "./error-details.ts";
import { oneOf, valuesOf } from "./request-fields.ts";

/**
 * Maximum violations in an answer, and characters of a field's name, which may hold a key of the caller's.
 * Over gRPC an error travels in trailers, which some clients bound at 8 KiB: the violations of a batch of
 * 1,000 would turn the answer into an internal error.
 */
const VIOLATIONS_MAX = 5;
const NAME_CHARS_MAX = 60;

/**
 * Checks requests against the contracts' rules, with messages that say what to do.
 */
export function checkRules(validate: Interceptor = createValidateInterceptor()): Interceptor {
  return (next) => async (request) => {
    if (!request.stream) requireFewItems(reflect(request.method.input, request.message));
    let passed = false;
    const checked = validate(async (valid) => {
      passed = true;
      return await next(valid);
    });
    try {
      return await checked(request);
    } catch (error) {
      throw passed ? error : explained(error);
    }
  };
}

/**
 * Turns the library's error into an answer. The library blames the caller if a rule cannot be evaluated, but
 * that is a fault of the contract, so its cause is returned.
 */
function explained(error: unknown): unknown {
  const cause = error instanceof ConnectError ? error.cause : error;
  if (!(cause instanceof ValidationError)) return cause;
  const named = cause.violations.slice(0, VIOLATIONS_MAX);
  const more = cause.violations.length - named.length;
  const mistakes = named.map(mistakeIn);
  const words = mistakes.map(({ names, message }) => `${names.join(" or ")} ${message}`);
  const fields = mistakes.flatMap(({ names, message }) => names.map((field) => ({ field, message })));
  const [value, desc] = violationsToProto(named.filter(({ field }) => isShort(pathToString(field))));
  return new ConnectError(
    shortenedText([...words, ...(more === 0 ? [] : [`and ${more} more`])].join("; ")),
    Code.InvalidArgument,
    undefined,
    [{ desc, value }, ...detailsFor({ ...reasonOf(named[0]), fields })],
    cause,
  );
}

/** A snapshot that comes as `data` is measured where it is stored. */
function reasonOf(first: Violation | undefined): Why {
  const isSnapshot = /(?:^|\.)data_json$/.test(pathToString(first?.field ?? []));
  return first?.ruleId === "string.max_bytes" && isSnapshot
    ? { reason: "SNAPSHOT_TOO_LARGE", metadata: { limit: String(EVENT_DATA_BYTES_MAX) } }
    : { reason: "FIELD_INVALID" };
}

type Mistake = {
  /** The field's name, or the names of those of which one must be sent. */
  readonly names: readonly string[];
  readonly message: string;
};

function mistakeIn({ field, ruleId, message }: Violation): Mistake {
  const choice = choiceIn(field);
  if (choice !== undefined) return { names: choice, message: "is missing; send one of them" };
  return { names: [nameOf(field)], message: wordsFor(ruleId, message, field) };
}

function wordsFor(ruleId: string, message: string, path: Path): string {
  switch (ruleId) {
    case "required":
    case "repeated.min_items":
      return "is missing";
    case "string.min_len":
      return message.includes("at least 1 ") ? "is missing" : `is missing or too short; it ${message}`;
    case "repeated.unique":
      return "must not hold the same item twice";
    case "string.in":
      return message.replace(/^must be in list \[(.*)\]$/, "must be one of $1");
    case "string.pattern":
      return `is missing or malformed; it ${message.replace("does not match regex pattern", "must match the regular expression")}`;
    case "string.not_contains":
      return "must not contain a space";
    case "enum.defined_only":
      return `must be one of ${oneOf(valuesOf(enumAt(path)))}`;
    default:
      return message;
  }
}

/** Returns the full name of the enum at the end of a path, which may lead to an item of a list. */
function enumAt(path: Path): string {
  const field = path.findLast((step) => step.kind === "field");
  return field?.enum?.typeName ?? "";
}

/** Names the fields of the oneof at the end of a path, because requests do not contain the oneof's name. */
function choiceIn(path: Path): readonly string[] | undefined {
  const last = path.at(-1);
  if (last?.kind !== "oneof") return undefined;
  const before = path.slice(0, -1);
  return last.fields.map((field) => nameOf([...before, field]));
}

function nameOf(path: Path): string {
  const name = pathToString(path);
  return isShort(name) ? name : `${name.slice(0, NAME_CHARS_MAX)}…`;
}

function isShort(name: string): boolean {
  return name.length <= NAME_CHARS_MAX;
}
