import type { RepositoryFile } from "./files.ts";

/** What the formatter breaks code at. It leaves comments and long strings as they are. */
const COLUMNS_MAX = 110;

const STRINGS = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\/(?:[^/\\\n]|\\.)+\/[dgimsuvy]*/g;

/** The lines that are too long, but for those that hold a string or an expression which cannot be broken. */
export function longLines({ path, text }: RepositoryFile): readonly string[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.length <= COLUMNS_MAX) return [];
    const isComment = /^\s*(\/\/|\/?\*)/.test(line);
    // A template may begin above this line and end below it.
    const isText =
      /^[^"'`]*`[^`]*$|^[^`]*`[^"'`]*$/.test(line) || line.replace(STRINGS, "''").length <= COLUMNS_MAX;
    return isText && !isComment ? [] : [`${path}:${i + 1} has ${line.length} columns`];
  });
}
