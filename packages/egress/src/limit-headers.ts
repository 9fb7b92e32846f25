import type { Socket } from "node:net";

/** What is used of undici's parser. Its version is fixed in `package.json`. */
type Parser = {
  /** Names and values that have been read of the current head or trailer, in turn. */
  readonly headers: readonly Buffer[];
  /** Called with a header's name, or a part of it. Any result but 0 makes the parser stop. */
  onHeaderField: (name: Buffer) => number;
};

/**
 * Has each header counted as the parser finds it, in heads and in trailers. undici limits their size, which
 * is that of names and values alone, and tells of them once all have been read.
 *
 * @param socket a connected socket of a `Client`
 * @param mayGoOn called for each header; false: the parser stops, in the middle of what it was given
 */
export function limitHeaders(socket: Socket, mayGoOn: () => boolean): void {
  const parser = parserOf(socket);
  const onHeaderField = parser.onHeaderField.bind(parser);
  parser.onHeaderField = (name) => {
    const before = parser.headers.length;
    const result = onHeaderField(name);
    // A name that comes in several parts is one header.
    const isNew = parser.headers.length > before;
    return isNew && !mayGoOn() ? -1 : result;
  };
}

function parserOf(socket: Socket): Parser {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "parser");
  const parser = key && (socket as unknown as Record<symbol, Parser | null>)[key];
  if (!parser) throw new Error("undici's parser is not where it was");
  return parser;
}
