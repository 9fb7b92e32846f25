import { type Path, pathToString, reflect } from "@bufbuild/protobuf/reflect";
import { ValidationError, type Violation, violationsToProto } from "@bufbuild/protovalidate";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";
import { requireFewItems } from "./count-items.ts";

/**
 * Maximum violations in an answer. Over gRPC the details travel in trailers, which clients bound (16 KiB in
 * Node): the violations of a batch of 1,000 would turn the answer into an internal error.
 */
const VIOLATIONS_MAX = 5;

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
  const words = [...named.map(wordsFor), ...(more === 0 ? [] : [`and ${more} more`])].join("; ");
  const [value, desc] = violationsToProto(named);
  return new ConnectError(words, Code.InvalidArgument, undefined, [{ desc, value }], cause);
}

function wordsFor({ field, ruleId, message }: Violation): string {
  const choice = choiceIn(field);
  if (choice !== undefined) return `${choice} is missing; send one of them`;
  const name = pathToString(field);
  switch (ruleId) {
    case "required":
    case "repeated.min_items":
    case "string.min_len":
      return `${name} is missing`;
    case "string.pattern":
      return `${name} is missing or malformed; it ${message.replace("does not match", "must match")}`;
    case "string.not_contains":
      return `${name} must not contain a space`;
    case "enum.defined_only":
      return `${name} must be one of the values in the contract`;
    default:
      return `${name} ${message}`;
  }
}

/** Names the fields of the oneof at the end of a path, because requests do not contain the oneof's name. */
function choiceIn(path: Path): string | undefined {
  const last = path.at(-1);
  if (last?.kind !== "oneof") return undefined;
  const before = path.slice(0, -1);
  return last.fields.map((field) => pathToString([...before, field])).join(" or ");
}
