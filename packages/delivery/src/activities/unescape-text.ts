import { characterEntities } from "character-entities";

/*
 * # One spelling for all
 *
 * A receiver that repeats what it was sent writes it in its own way: in JSON, in HTML, in a URL, or in one
 * within another. What is searched in an answer is therefore brought to one spelling first, and so is what is
 * searched for:
 *
 * - Escapes stand for themselves no longer: `\u0026`, `\u{26}`, `\x26`, `%26`, `&amp;`, `&#38;` and `&#x26;`,
 *   the last two also without their semicolon, and escapes of escapes, to any depth. All other backslashes
 *   are left out.
 * - A space is a `+`, as in forms; `-` is `+` and `_` is `/`, so that both kinds of Base64 are one. A tab,
 *   the only control character that a secret may contain, is a `t`, as is `\t` without its backslash.
 *
 * The text is read from its end. What follows a character has then been read already, to any depth, so a look
 * at the next few characters tells whether an escape begins. Each escape that is found makes the text
 * shorter, so all of them take time in proportion to it.
 */

/** A text in the one spelling. Its characters are bytes, as are those of the original. */
export type Unescaped = {
  readonly bytes: Uint8Array;
  /** Where in the original each byte begins and ends. All bytes of one escape have its place. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
};

/** The bytes that the first characters of a text stand for, behind a character that begins an escape. */
type Escape = { readonly length: number; readonly bytes: readonly number[] };

const code = (char: string) => char.charCodeAt(0);
const [BACKSLASH, PERCENT, AMPERSAND] = [code("\\"), code("%"), code("&")];

/** The bytes that are read as another one. */
const READ_AS = Uint8Array.from({ length: 256 }, (_, byte) => byte);
for (const [byte, as] of ["\tt", " +", "-+", "_/"]) READ_AS[code(byte ?? "")] = code(as ?? "");

/**
 * What the named references of HTML stand for, such as `&auml;` and `&plus;`. Only `&nGt;` and `&nLt;` are
 * shorter than what they stand for, and not read.
 */
const NAMED: ReadonlyMap<string, readonly number[]> = new Map(
  Object.entries(characterEntities)
    .map(([name, chars]) => [name, [...Buffer.from(chars)]] as const)
    .filter(([name, bytes]) => bytes.length <= `&${name};`.length),
);
/**
 * The longest reference to a character, without its `&`: the longest name has 31 characters. Some encoders
 * write zeros before a number.
 */
const REFERENCE_CHARS_MAX = 32;
/** The digits of `\u{…}`: the last code point has six, and some encoders write it in 32 bits. */
const CODE_POINT_DIGITS_MAX = 8;
const CODE_POINT_MAX = 0x10_ffff;
/**
 * What may be left of escapes within one another that a cut tore, at most: something of one in each layer.
 * Layers in which each character is a reference multiply the text, so a body that is read holds no more than
 * four of those with zeros (11 characters are left of each), or three with a name among them.
 */
export const TORN_ESCAPE_CHARS_MAX = 64;

/** Brings a text to the one spelling. */
export function unescapeText(text: Uint8Array): Unescaped {
  const bytes = new Uint8Array(text.length);
  const starts = new Uint32Array(text.length);
  const ends = new Uint32Array(text.length);
  /** Of each byte: how many escapes within one another it was read from. */
  const depths = new Uint32Array(text.length);
  // The arrays are filled from their ends. An escape is never shorter than the bytes that it stands for.
  let top = text.length;
  const put = (byte: number, start: number, end: number, depth: number) => {
    top -= 1;
    bytes[top] = READ_AS[byte] ?? byte;
    starts[top] = start;
    ends[top] = end;
    depths[top] = depth;
  };
  for (let i = text.length - 1; i >= 0; i--) {
    let byte = text[i] ?? 0;
    let end = i + 1;
    // What an escape stands for may begin another one.
    for (let depth = 0; ; depth++) {
      // `\\u0078` is `\u0078` in JSON, thus an `x`: its first backslash does not begin a `\x`. Whoever
      // escapes a letter escapes a backslash before it as well.
      const mayBegin = byte !== BACKSLASH || depth >= (depths[top] ?? 0);
      const found = mayBegin ? escapeIn(byte, bytes, top) : undefined;
      if (found === undefined) {
        if (byte !== BACKSLASH) put(byte, i, end, depth);
        // It belongs to what it stands before.
        else if (top < text.length) starts[top] = i;
        break;
      }
      end = ends[top + found.length - 1] ?? end;
      top += found.length;
      const [first = 0, ...others] = found.bytes;
      if (others.length === 0) byte = first;
      else {
        for (const each of found.bytes.toReversed()) put(each, i, end, depth + 1);
        break;
      }
    }
  }
  return { bytes: bytes.subarray(top), starts: starts.subarray(top), ends: ends.subarray(top) };
}

function escapeIn(byte: number, rest: Uint8Array, at: number): Escape | undefined {
  if (byte === BACKSLASH) return afterBackslash(rest, at);
  if (byte === PERCENT) return byteOf(hexIn(rest, at, 2), 2);
  if (byte === AMPERSAND) return reference(rest, at);
  return undefined;
}

function afterBackslash(rest: Uint8Array, at: number): Escape | undefined {
  switch (rest[at]) {
    case code("x"):
      return byteOf(hexIn(rest, at + 1, 2), 3);
    case code("u"):
      if (rest[at + 1] === code("{")) return codePoint(rest, at);
      return codeUnit(hexIn(rest, at + 1, 4), rest, at + 5);
    default:
      return undefined;
  }
}

function byteOf(value: number | undefined, length: number): Escape | undefined {
  return value === undefined ? undefined : { length, bytes: [value] };
}

/** Returns what `\u{X…}` stands for, from the `u` on. */
function codePoint(rest: Uint8Array, at: number): Escape | undefined {
  const first = at + 2;
  let digits = 0;
  while (digits < CODE_POINT_DIGITS_MAX && hexIn(rest, first + digits, 1) !== undefined) digits += 1;
  const point = hexIn(rest, first, digits) ?? 0;
  const isOne = digits > 0 && rest[first + digits] === code("}") && point <= CODE_POINT_MAX;
  return isOne ? { length: digits + 3, bytes: utf8(point) } : undefined;
}

/** Returns what `\uXXXX` stands for: the first half of a surrogate pair takes the second with it. */
function codeUnit(unit: number | undefined, rest: Uint8Array, next: number): Escape | undefined {
  if (unit === undefined) return undefined;
  const [first = 0, second = 0, third = 0] = rest.subarray(next, next + 3);
  const isSecondHalf = first === 0xed && second >= 0xb0;
  if (unit >> 10 !== 0xd800 >> 10 || !isSecondHalf) return { length: 5, bytes: utf8(unit) };
  const low = ((second & 0x0f) << 6) | (third & 0x3f);
  return { length: 8, bytes: utf8(0x10000 + ((unit & 0x3ff) << 10) + low) };
}

/** Returns what a reference to a character stands for in HTML and XML. */
function reference(rest: Uint8Array, at: number): Escape | undefined {
  if (rest[at] === code("#")) return numericReference(rest, at);
  let end = at;
  while (IN_REFERENCE[rest[end] ?? 0] === 1 && end - at < REFERENCE_CHARS_MAX) end += 1;
  if (rest[end] !== code(";")) return undefined;
  const named = NAMED.get(Buffer.from(rest.subarray(at, end)).toString("latin1"));
  return named && { length: end + 1 - at, bytes: named };
}

/** Returns what `&#38;` or `&#x26;` stands for, from the `#` on. HTML also lets the number end by itself. */
function numericReference(rest: Uint8Array, at: number): Escape | undefined {
  const isHex = rest[at + 1] === code("x") || rest[at + 1] === code("X");
  const base = isHex ? 16 : 10;
  const first = at + (isHex ? 2 : 1);
  let end = first;
  let point = 0;
  for (let digit = digitIn(rest, end, base); digit >= 0; digit = digitIn(rest, end, base)) {
    point = point * base + digit;
    end += 1;
    if (point > CODE_POINT_MAX || end - at > REFERENCE_CHARS_MAX) return undefined;
  }
  if (end === first) return undefined;
  return { length: end - at + (rest[end] === code(";") ? 1 : 0), bytes: utf8(point) };
}

/** Returns the value of a digit; -1 if there is none. */
function digitIn(rest: Uint8Array, at: number, base: number): number {
  const digit = HEX[rest[at] ?? 0] ?? -1;
  return digit < base ? digit : -1;
}

/** The characters of a reference's name. */
const IN_REFERENCE = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[\da-zA-Z]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

function hexIn(rest: Uint8Array, at: number, digits: number): number | undefined {
  let value = 0;
  for (let i = at; i < at + digits; i++) {
    const digit = HEX[rest[i] ?? 0] ?? -1;
    if (digit < 0) return undefined;
    value = value * 16 + digit;
  }
  return value;
}

/** The value of each hexadecimal digit; of other characters: -1. */
const HEX = Int8Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  return /[\da-fA-F]/.test(char) ? Number.parseInt(char, 16) : -1;
});

/** Returns the bytes of a code point. Half of a surrogate pair has some, too, until the other joins it. */
function utf8(point: number): number[] {
  const last = (shift: number) => 0x80 | ((point >> shift) & 0x3f);
  if (point < 0x80) return [point];
  if (point < 0x800) return [0xc0 | (point >> 6), last(0)];
  if (point < 0x10000) return [0xe0 | (point >> 12), last(6), last(0)];
  return [0xf0 | (point >> 18), last(12), last(6), last(0)];
}
