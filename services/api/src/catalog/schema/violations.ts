import type { ErrorObject } from "ajv";

/** One way in which a snapshot violates its schema. */
export type Violation = {
  /** A JSON Pointer; empty for the snapshot itself. */
  readonly path: string;
  readonly message: string;
};

const PATH_CHARS_MAX = 100;
const MESSAGE_CHARS_MAX = 200;

/** Returns the first errors as a caller may see them, without values of the snapshot. */
export function violationsOf(errors: readonly ErrorObject[], max: number): Violation[] {
  return errors.slice(0, max).map((error) => ({
    path: cut(error.instancePath, PATH_CHARS_MAX),
    message: cut(messageOf(error), MESSAGE_CHARS_MAX),
  }));
}

/** Returns a violation as a sentence. */
export function sentenceOf({ path, message }: Violation): string {
  return `${path === "" ? "the snapshot" : path} ${message}`;
}

function messageOf({ keyword, message = "does not match", params }: ErrorObject): string {
  switch (keyword) {
    case "additionalProperties":
      return `${message}, such as ${JSON.stringify(params["additionalProperty"])}`;
    case "unevaluatedProperties":
      return `${message}, such as ${JSON.stringify(params["unevaluatedProperty"])}`;
    case "enum":
      return `${message}: ${JSON.stringify(params["allowedValues"])}`;
    case "const":
      return `${message} ${JSON.stringify(params["allowedValue"])}`;
    case "false schema":
      return "is not allowed";
    default:
      return message;
  }
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1).toWellFormed()}…`;
}
