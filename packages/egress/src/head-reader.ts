const LF = 0x0a;
const CR = 0x0d;
const NOTHING = Buffer.alloc(0);

/** What a parser is given next, and what comes after it. */
type Taken = { readonly ready: Buffer; readonly rest: Buffer };

/**
 * Reads heads of responses, each until its last line, and gives their header lines the form that servers must
 * send. A status line is passed on as it arrives, so that what is no HTTP is noticed at once.
 */
export class HeadReader {
  readonly #bytesMax: number;
  readonly #onTooLong: () => void;
  #hasBegun = false;
  /** The header lines that have arrived. Undefined: the status line is not over. */
  #lines: Buffer | undefined;

  /**
   * @param bytesMax the bytes of a head's header lines, at most
   * @param onTooLong called if there are more; what is taken after that is lost
   */
  constructor(bytesMax: number, onTooLong: () => void) {
    this.#bytesMax = bytesMax;
    this.#onTooLong = onTooLong;
  }

  /** Takes bytes of a head, which may end with others. Nothing is ready until all header lines are. */
  take(bytes: Buffer): Taken {
    return this.#lines === undefined ? this.#takeStatus(bytes) : this.#takeLines(bytes, this.#lines);
  }

  #takeStatus(bytes: Buffer): Taken {
    // Empty lines before it are no part of it (RFC 9112, section 2.2).
    const from = this.#hasBegun ? 0 : bytes.findIndex((byte) => byte !== CR && byte !== LF);
    if (from < 0) return { ready: bytes, rest: NOTHING };
    const end = bytes.indexOf(LF, from) + 1;
    this.#hasBegun = end === 0;
    if (end === 0) return { ready: bytes, rest: NOTHING };
    this.#lines = NOTHING;
    return { ready: bytes.subarray(0, end), rest: bytes.subarray(end) };
  }

  #takeLines(bytes: Buffer, before: Buffer): Taken {
    const lines = before.length === 0 ? bytes : Buffer.concat([before, bytes]);
    const end = endOfLines(lines, before.length);
    if ((end ?? lines.length) > this.#bytesMax) {
      this.#onTooLong();
      return { ready: NOTHING, rest: NOTHING };
    }
    this.#lines = end === undefined ? lines : undefined;
    if (end === undefined) return { ready: NOTHING, rest: NOTHING };
    return { ready: inUsualForm(lines.subarray(0, end)), rest: lines.subarray(end) };
  }
}

/** Returns where header lines end, after an empty line; undefined: not in these bytes. */
function endOfLines(lines: Buffer, searched: number): number | undefined {
  if (lines[0] === LF) return 1;
  if (lines[0] === CR && lines[1] === LF) return 2;
  // The line before may have arrived with the bytes before.
  let end = lines.indexOf(LF, Math.max(0, searched - 2));
  for (; end >= 0; end = lines.indexOf(LF, end + 1)) {
    if (lines[end + 1] === LF) return end + 2;
    if (lines[end + 1] === CR && lines[end + 2] === LF) return end + 3;
  }
  return undefined;
}

/** Found in all header lines that are not in the usual form, and in some that are. */
const UNUSUAL = /[ \t](?:\r?\n|:)|\n[ \t]/;
// None looks at a blank more than twice, however many there are.
const FOLDS = /(?<![ \t])[ \t]*(?:\r?\n[ \t]+)+/g;
const BLANKS_BEFORE_COLON = /^([^\s:]+)[ \t]+:/gm;
const BLANKS_AT_END = /(?<![ \t])[ \t]+(?=\r?\n)/g;

/**
 * Unfolds header lines (RFC 9112, section 5.2: a fold means a blank), and removes blanks before a colon (5.1)
 * and after a value (9110, 5.5). Nothing is done if the first line begins with a blank: it folds no header,
 * and the parser refuses it (9112, 2.2).
 */
export function inUsualForm(lines: Buffer): Buffer {
  const text = lines.toString("latin1");
  if (!UNUSUAL.test(text) || /^[ \t]/.test(text)) return lines;
  const usual = text.replace(FOLDS, " ").replace(BLANKS_BEFORE_COLON, "$1:").replace(BLANKS_AT_END, "");
  return Buffer.from(usual, "latin1");
}
