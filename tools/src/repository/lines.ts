import type { RepositoryFile } from "./files.ts";

/** The formatter's line width. The formatter does not wrap comments and long strings. */
export const COLUMNS_MAX = 110;

const STRINGS = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\/(?:[^/\\\n]|\\.)+\/[dgimsuvy]*/g;

/** Lists the lines that are too long, except code whose excess is a string or a regular expression. */
export function longLines({ path, text }: RepositoryFile): readonly string[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.length <= COLUMNS_MAX) return [];
    const isComment = /^\s*(\/\/|\{?\/\*|\*|# )/.test(line);
    // A template literal may begin or end on another line.
    const isText =
      /^[^"'`]*`[^`]*$|^[^`]*`[^"'`]*$/.test(line) || line.replace(STRINGS, "''").length <= COLUMNS_MAX;
    return isText && !isComment ? [] : [`${path}:${i + 1} has ${line.length} columns`];
  });
}
