import type { ErrorObject } from "ajv";

/** One way in which a snapshot does not fit. */
export type Violation = {
  /** A JSON Pointer; empty: the snapshot itself. */
  readonly path: string;
  readonly message: string;
};

const PATH_CHARS_MAX = 100;
const MESSAGE_CHARS_MAX = 200;

/** What a caller is told, without the values of the snapshot. */
export function violationsOf(errors: readonly ErrorObject[], max: number): Violation[] {
  return errors.slice(0, max).map((error) => ({
    path: cut(error.instancePath, PATH_CHARS_MAX),
    message: cut(messageOf(error), MESSAGE_CHARS_MAX),
  }));
}

/** One violation in a sentence. */
export function sentenceOf({ path, message }: Violation): string {
  return `${path === "" ? "the snapshot" : path} ${message}`;
}

function messageOf({ keyword, message = "does not fit", params }: ErrorObject): string {
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
      return "must not be there";
    default:
      return message;
  }
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1).toWellFormed()}…`;
}
