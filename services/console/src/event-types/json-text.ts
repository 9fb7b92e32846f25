import {
  applyEdits,
  findNodeAtLocation,
  format,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from "jsonc-parser";

/** What is wrong with a text that should be a JSON object, and the line on which it is, from 1. */
export type JsonProblem = { readonly text: string; readonly line: number };

const STRICT = { disallowComments: true, allowTrailingComma: false };

/** Words of errors, by the parser's names. */
const WORDS: Readonly<Record<string, string>> = {
  InvalidSymbol: "this is not JSON",
  InvalidNumberFormat: "this is not a number of JSON",
  PropertyNameExpected: "a name in double quotes is missing",
  ValueExpected: "a value is missing",
  ColonExpected: "a colon is missing",
  CommaExpected: "a comma or a closing bracket is missing",
  CloseBraceExpected: "a closing } is missing",
  CloseBracketExpected: "a closing ] is missing",
  EndOfFileExpected: "nothing may follow the object",
  InvalidCommentToken: "JSON has no comments",
  UnexpectedEndOfComment: "JSON has no comments",
  UnexpectedEndOfString: "the string does not end on its line",
  InvalidUnicode: "\\u needs four hexadecimal digits",
  InvalidEscapeCharacter: "the escape is none of JSON's",
  InvalidCharacter: "a control character must be escaped",
};

/** Returns why a text is not a JSON object, and where. Browsers do not agree on saying that. */
export function problemOfJson(text: string): JsonProblem | undefined {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, STRICT);
  const [first] = errors;
  if (first !== undefined) {
    const { line, column } = placeAt(text, first.offset);
    const words = WORDS[printParseErrorCode(first.error)] ?? "this is not JSON";
    return { line, text: `Line ${line}, column ${column}: ${words}.` };
  }
  return root?.type === "object" ? undefined : { line: 1, text: "Write a JSON object, such as {}." };
}

/**
 * Returns the line on which a text has what a JSON Pointer points to, or the nearest place around it.
 *
 * @param pointer as in RFC 6901; whatever follows the last known name is ignored
 */
export function lineOf(text: string, pointer: string): number {
  const root = parseTree(text, [], STRICT);
  let node = root;
  for (const token of tokensOf(pointer)) {
    const child =
      node?.type === "array"
        ? findNodeAtLocation(node, [Number(token)])
        : node && findNodeAtLocation(node, [token]);
    if (child === undefined) break;
    node = child;
  }
  // A property's value may begin on another line than its name.
  return placeAt(text, (node?.parent?.type === "property" ? node.parent : node)?.offset ?? 0).line;
}

/** Returns a JSON text with one name or value on each line. Its numbers stay as they were written. */
export function formatted(text: string): string {
  const options = { tabSize: 2, insertSpaces: true, eol: "\n" };
  return applyEdits(text, format(text, undefined, options));
}

export function tokensOf(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function placeAt(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
