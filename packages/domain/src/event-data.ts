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
  /** The same content in one canonical spelling; equal for equal content. */
  readonly canonical: string;
  /**
   * What the text says, in JavaScript's own values, for who looks at it. Numbers are IEEE doubles here, so one past 2^53
   * may be another than the text's. Made when first called, of the value that was parsed; nothing is parsed twice.
   */
  readonly value: () => Readonly<Record<string, unknown>>;
};

/**
 * Checks a snapshot and derives its canonical form, without touching the text itself.
 *
 * Canonical: keys sorted by UTF-16 code units, no white space, strings with JSON's shortest escapes, and numbers as
 * exact decimals (`1.10`, `1.1` and `11e-1` are equal; `12345678901234567890` and `…891` are not, although
 * they are one IEEE double, which is why RFC 8785 does not serve here).
 *
 * @param field what to name in a refusal, such as `events[3].data_json`
 * @throws Refusal `invalid`: not JSON, not an object, nested deeper than {@link EVENT_DATA_DEPTH_MAX}, a key twice
 *   with different values
 */
export function parseEventData(json: string, field: string): EventData {
  const refuse = (message: string, cause?: unknown) => new Refusal("invalid", message, { field, cause });
  if (depthOf(json) > EVENT_DATA_DEPTH_MAX) {
    throw refuse(`${field} nests deeper than ${EVENT_DATA_DEPTH_MAX} levels; send a flatter snapshot`);
  }
  let value: unknown;
  try {
    value = parse(json);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.slice(0, 120) : "";
    throw refuse(`${field} is not valid JSON: ${reason}`, cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value) || isLosslessNumber(value)) {
    throw refuse(
      `${field} is not a JSON object; send the entity's snapshot, such as {"InvoiceNumber":"INV-7"}`,
    );
  }
  const object = value as Record<string, unknown>;
  const canonical = canonicalJson(object);
  let plain: Record<string, unknown> | undefined;
  return {
    json,
    canonical,
    value: () => {
      plain ??= withPlainNumbers(object) as Record<string, unknown>;
      return plain;
    },
  };
}

/** Replaces the exact numbers of a parsed value in place: a snapshot may be large, and nobody needs them any more. */
function withPlainNumbers(value: unknown): unknown {
  if (isLosslessNumber(value)) return Number(value.value);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = withPlainNumbers(value[i]);
  } else if (typeof value === "object" && value !== null) {
    const members = value as Record<string, unknown>;
    for (const key of Object.keys(members)) members[key] = withPlainNumbers(members[key]);
  }
  return value;
}

/** The deepest nesting, found without recursion so that hostile depth costs nothing. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < json.length; i++) {
    const c = json.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
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
