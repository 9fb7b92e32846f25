import { isLosslessNumber, parse } from "lossless-json";
import { Refusal } from "./refusal.ts";

/** The largest snapshot, in bytes of UTF-8: 1 MiB, a common default limit of receivers' frameworks. */
export const EVENT_DATA_BYTES_MAX = 1_048_576;
/**
 * The deepest nesting of a snapshot, in levels. Many parsers fail not far beyond it; real snapshots have
 * fewer than 10.
 */
export const EVENT_DATA_DEPTH_MAX = 64;

/** A valid snapshot: a JSON object. */
export type EventData = {
  /** The text as ingested, which is what receivers get. */
  readonly json: string;
  /**
   * The parsed text as plain JavaScript values, for code that reads it. Numbers are IEEE doubles, so integers
   * above 2^53 may differ from the text.
   */
  readonly value: Readonly<Record<string, unknown>>;
};

/**
 * Checks a snapshot and leaves its text unchanged.
 *
 * The engine's own parser decides whether the text is JSON, because it is many times faster than any other.
 * It does not report duplicate keys: it keeps the last one. The members are therefore counted both in the
 * text (by their colons) and in the parsed value. Only if the counts differ does a slower parser, which
 * detects duplicates, parse the text.
 *
 * @param field the field to name in a refusal, such as `events[3].data_json`
 * @throws Refusal `invalid` if the text is not JSON, is not an object, nests deeper than 64 levels, or has
 *   one key twice with different values
 */
export function parseEventData(json: string, field: string): EventData {
  const refuse = (message: string, cause?: unknown) => new Refusal("invalid", message, { field, cause });
  const { depth, members } = measure(json);
  if (depth > EVENT_DATA_DEPTH_MAX) {
    throw refuse(`${field} nests deeper than ${EVENT_DATA_DEPTH_MAX} levels; send a flatter snapshot`);
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
    if (membersOf(value) !== members) parse(json);
  } catch (cause) {
    throw refuse(`${field} is not valid JSON: ${reasonFor(json)}`, cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refuse(
      `${field} is not a JSON object; send a snapshot of the entity, such as {"InvoiceNumber":"INV-7"}`,
    );
  }
  return { json, value: value as Record<string, unknown> };
}

/**
 * Returns the canonical form of a snapshot. Two snapshots have the same canonical form if and only if their
 * content is equal.
 *
 * The canonical form has its keys sorted by UTF-16 code units, no white space, JSON's shortest escapes in
 * strings, and numbers as exact decimals: `1.10`, `1.1` and `11e-1` are equal; `12345678901234567890` and
 * `…891` differ, although both are the same IEEE double. RFC 8785 would treat those two as equal, so it is
 * not used here.
 *
 * @param json a text that {@link parseEventData} has accepted
 */
export function canonicalEventData(json: string): string {
  return canonicalJson(parse(json));
}

/** Explains why a text is not JSON, by its position. The engine's own message would quote the text. */
function reasonFor(json: string): string {
  try {
    parse(json);
    return "it cannot be parsed";
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 120) : "";
  }
}

/**
 * Returns the deepest nesting and the total number of object members. It does not recurse, so that a hostile
 * text cannot overflow the stack. For a text that is not JSON, the result is meaningless.
 */
function measure(json: string): { depth: number; members: number } {
  let depth = 0;
  let deepest = 0;
  let members = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json.charCodeAt(i)) {
      case 0x22: // A string: skip to its closing quotation mark.
        for (i++; i < json.length && json.charCodeAt(i) !== 0x22; i++) if (json.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x3a:
        members += 1;
        break;
      case 0x7b:
      case 0x5b:
        deepest = Math.max(deepest, ++depth);
        break;
      case 0x7d:
      case 0x5d:
        depth--;
        break;
    }
  }
  return { depth: deepest, members };
}

/** Counts the members of all objects. It recurses, but never deeper than {@link EVENT_DATA_DEPTH_MAX}. */
function membersOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) for (const item of value) members += membersOf(item);
  else
    for (const member of Object.values(value)) {
      members += 1 + membersOf(member);
    }
  return members;
}

function canonicalJson(value: unknown): string {
  if (isLosslessNumber(value)) return canonicalNumber(value.value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

/**
 * Numbers with longer exponents stay as they are: a sender could make exact arithmetic on them arbitrarily
 * slow.
 */
const EXPONENT_DIGITS_MAX = 15;

/**
 * Returns an exact decimal: the significant digits without leading or trailing zeros, then the power of ten.
 * `-0` becomes `0`.
 */
function canonicalNumber(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?)0*(\d+))?$/.exec(text);
  if (match === null) return text;
  const [, sign = "", whole = "", fraction = "", exponentSign = "", exponent = "0"] = match;
  const digits = whole + fraction;
  // A regular expression such as /0+$/ would take quadratic time on digits that are mostly zeros.
  let from = 0;
  while (digits[from] === "0") from++;
  if (from === digits.length) return "0";
  let to = digits.length;
  while (digits[to - 1] === "0") to--;
  if (exponent.length > EXPONENT_DIGITS_MAX) return text;
  const power = Number(`${exponentSign}${exponent}`) - fraction.length + (digits.length - to);
  return `${sign}${digits.slice(from, to)}e${power}`;
}
