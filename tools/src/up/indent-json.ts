/** Strings, brackets and the rest of JSON's tokens, without the white space between them. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * Lays JSON text out for the eye. Only white space changes: parsing and printing it again would round its numbers and
 * unfold its escapes.
 */
export function indentJson(text: string): string {
  let depth = 0;
  let out = "";
  const newLine = () => `\n${"  ".repeat(depth)}`;
  let previous = "";
  for (const [token] of text.matchAll(TOKEN)) {
    const opens = previous === "{" || previous === "[";
    if (token === "}" || token === "]") {
      depth -= 1;
      out += opens ? token : newLine() + token;
    } else {
      if (opens || previous === ",") out += newLine();
      out += token === ":" ? ": " : token;
      if (token === "{" || token === "[") depth += 1;
    }
    previous = token;
  }
  return out;
}
