import { isLosslessNumber, parse } from "lossless-json";
import { Refusal } from "./refusal.ts";

/** The largest snapshot, in bytes of UTF-8: 1 MiB, what receivers' frameworks commonly take without being set up. */
export const EVENT_DATA_BYTES_MAX = 1_048_576;
/** How deep a snapshot may nest. Parsers of receivers overflow or refuse not far beyond; real snapshots have under 10. */
export const EVENT_DATA_DEPTH_MAX = 64;

/** A snapshot that was found to be a JSON object. */
export type EventData = {
  /** The text as ingested; what receivers get. */
  readonly json: string;
  /**
   * What the text says, in JavaScript's own values, for who looks at it. Numbers are IEEE doubles here, so one past 2^53
   * may be another than the text's.
   */
  readonly value: Readonly<Record<string, unknown>>;
};

/**
 * Checks a snapshot, without touching the text itself.
 *
 * The engine's own parser says whether it is JSON, which is many times faster than any other. What it does not say is
 * whether a key came twice: of two it keeps the last. So the members in the text are counted, each by its colon, and those
 * in the value: only where they differ is the text parsed by a parser that sees both.
 *
 * @param field what to name in a refusal, such as `events[3].data_json`
 * @throws Refusal `invalid`: not JSON, not an object, nested deeper than {@link EVENT_DATA_DEPTH_MAX}, a key twice
 *   with different values
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
      `${field} is not a JSON object; send the entity's snapshot, such as {"InvoiceNumber":"INV-7"}`,
    );
  }
  return { json, value: value as Record<string, unknown> };
}

/**
 * The content of a snapshot that was checked before, in one canonical spelling; equal for equal content.
 *
 * Canonical: keys sorted by UTF-16 code units, no white space, strings with JSON's shortest escapes, and numbers as
 * exact decimals (`1.10`, `1.1` and `11e-1` are equal; `12345678901234567890` and `…891` are not, although
 * they are one IEEE double, which is why RFC 8785 does not serve here).
 */
export function canonicalEventData(json: string): string {
  return canonicalJson(parse(json));
}

/** In the words of the parser that names a place; the engine's own quote what was sent. */
function reasonFor(json: string): string {
  try {
    parse(json);
    return "it cannot be parsed";
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 120) : "";
  }
}

/**
 * The deepest nesting and how many members its objects have in all, found without recursion so that hostile depth costs
 * nothing. Means something for JSON only.
 */
function measure(json: string): { depth: number; members: number } {
  let depth = 0;
  let deepest = 0;
  let members = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json.charCodeAt(i)) {
      case 0x22: // A string: on to the quotation mark that no backslash escapes.
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

/** Recursion is as deep as {@link EVENT_DATA_DEPTH_MAX}. */
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

/** Of a longer exponent, the spelling counts: it means nothing, and its arithmetic would cost what a sender likes. */
const EXPONENT_DIGITS_MAX = 15;

/** An exact decimal: significant digits without leading or trailing zeros, then the power of ten. `-0` is `0`. */
function canonicalNumber(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?)0*(\d+))?$/.exec(text);
  if (match === null) return text;
  const [, sign = "", whole = "", fraction = "", exponentSign = "", exponent = "0"] = match;
  const digits = whole + fraction;
  // Not by expressions such as /0+$/: they take quadratic time on digits that are mostly zeros.
  let from = 0;
  while (digits[from] === "0") from++;
  if (from === digits.length) return "0";
  let to = digits.length;
  while (digits[to - 1] === "0") to--;
  if (exponent.length > EXPONENT_DIGITS_MAX) return text;
  const power = Number(`${exponentSign}${exponent}`) - fraction.length + (digits.length - to);
  return `${sign}${digits.slice(from, to)}e${power}`;
}
