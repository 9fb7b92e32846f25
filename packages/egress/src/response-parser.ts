import type { Socket } from "node:net";
import { errors } from "undici";
import { HeadReader } from "./head-reader.ts";

/** What is used of undici's parser. Its version is fixed in `package.json`. */
type Parser = {
  /** The functions of llhttp, which take the address of its state. */
  readonly llhttp: Readonly<Record<Leniency, (state: number, isOn: 0 | 1) => void>>;
  readonly ptr: number;
  /** Names and values that have been read of the current head or trailer, in turn. */
  readonly headers: readonly Buffer[];
  /** Adds to the size of the headers. */
  trackHeader(bytes: number): void;
  execute: (bytes: Buffer) => void;
  /** Called at the connection's end; returns an error if the response has no end yet. */
  finish: () => Error | null;
  /** Called with a header's name, or a part of it. Any result but 0 makes the parser stop. */
  onHeaderField: (name: Buffer) => number;
  onHeaderValue: (value: Buffer) => number;
  onHeadersComplete: (status: number, isUpgrade: boolean, isKept: boolean) => number;
  onMessageComplete: () => number;
};

/** What llhttp can be lenient about. undici has no option for it. */
type Leniency = `llhttp_set_lenient_${"keep_alive" | "version" | "optional_cr_before_lf" | "headers"}`;

const CONTINUE = 100;
const EARLY_HINTS = 103;

export type ParserLimits = {
  /** The bytes of a response's headers, at most. */
  readonly headersBytesMax: number;
  /** Called for each header; false: the parser stops, in the middle of what it was given. */
  readonly mayGoOn: () => boolean;
};

/**
 * Makes undici's parser read what plainly is a response although servers must not send it so, as RFC 9110
 * and 9112 allow or ask of clients. Refused is still all that leaves open where a response ends, such as two
 * lengths.
 *
 * The parser (llhttp) could read folded lines itself, but is then lenient about much else, and forgets a
 * `transfer-encoding` that is folded. So it gets heads in the usual form: see {@link HeadReader}.
 *
 * It also has each header counted as the parser finds it, in heads and in trailers. undici limits their size,
 * which is that of names and values alone, and tells of them once all have been read.
 *
 * @param socket a connected socket of a `Client`
 */
export function prepareParser(socket: Socket, { headersBytesMax, mayGoOn }: ParserLimits): void {
  const parser = parserOf(socket);
  const { llhttp, ptr } = parser;
  const tooLong = () => void socket.destroy(new errors.HeadersOverflowError());
  const reader = new HeadReader(headersBytesMax, tooLong);
  let isInHead = true;
  const enter = (where: "head" | "body") => {
    isInHead = where === "head";
    // Lines that end with LF alone (RFC 9112, section 2.2).
    llhttp.llhttp_set_lenient_optional_cr_before_lf(ptr, isInHead ? 1 : 0);
    // Folded lines of trailers. Whatever else passes there changes nothing: nobody reads it.
    llhttp.llhttp_set_lenient_headers(ptr, isInHead ? 0 : 1);
  };
  enter("head");
  // A minor version that does not exist yet (RFC 9110, section 2.5).
  llhttp.llhttp_set_lenient_version(ptr, 1);
  // A response after an interim one with HTTP/1.0 or `connection: close`. After a final one, undici closes.
  llhttp.llhttp_set_lenient_keep_alive(ptr, 1);

  replace(parser, "execute", (execute) => (bytes) => {
    let rest = bytes;
    while (isInHead && rest.length > 0 && !socket.destroyed) {
      const taken = reader.take(rest);
      if (taken.ready.length > 0) execute(taken.ready);
      rest = taken.rest;
    }
    if (rest.length > 0 && !socket.destroyed) execute(rest);
  });
  replace(parser, "finish", (finish) => () => {
    if (finish() === null) return null;
    // undici would call it a wrong length, or no HTTP.
    return Object.assign(new Error("the response was cut off"), { code: "ECONNRESET" });
  });
  replace(parser, "onHeadersComplete", (onHeadersComplete) => (status, ...rest) => {
    enter("body");
    // undici takes it for an error, because no request asked for it. Receivers and their proxies send it
    // unasked.
    return onHeadersComplete(status === CONTINUE ? EARLY_HINTS : status, ...rest);
  });
  replace(parser, "onMessageComplete", (onMessageComplete) => () => {
    enter("head");
    return onMessageComplete();
  });
  replace(parser, "onHeaderField", (onHeaderField) => (name) => {
    const before = parser.headers.length;
    const result = onHeaderField(name);
    // A name that comes in several parts is one header.
    const isNew = parser.headers.length > before;
    return isNew && !mayGoOn() ? -1 : result;
  });
  replace(parser, "onHeaderValue", (onHeaderValue) => (value) => {
    const isFirst = parser.headers.length % 2 === 1;
    if (isInHead || isFirst) return onHeaderValue(value);
    // Of a trailer's value, only the size matters: to join thousands of lines would take long.
    parser.trackHeader(value.length);
    return 0;
  });
}

/** Replaces a function of the parser by one that calls it. */
function replace<K extends "execute" | "finish" | (`on${string}` & keyof Parser)>(
  parser: Parser,
  name: K,
  by: (original: Parser[K]) => Parser[K],
): void {
  parser[name] = by((parser[name] as () => unknown).bind(parser) as Parser[K]);
}

function parserOf(socket: Socket): Parser {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "parser");
  const parser = key && (socket as unknown as Record<symbol, Parser | null>)[key];
  if (!parser) throw new Error("undici's parser is not where it was");
  return parser;
}
