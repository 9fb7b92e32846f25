/** A token of JSON: a string, a bracket, a separator, or a number or literal. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * Indents JSON text. Changes only white space: parsing and printing the text would round its numbers and
 * change its escapes.
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
