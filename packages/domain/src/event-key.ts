import { isLosslessNumber, parse } from "lossless-json";
import { Refusal } from "./refusal.ts";

/** A search key for events: a place in the snapshot, and the value at that place. */
export type EventKey = {
  /** A JSON Pointer (RFC 6901), such as `/ContactID` or `/Company/Email`. */
  readonly pointer: string;
  /** The characters of a string, or a number, `true`, `false` or `null` as written in the JSON text. */
  readonly value: string;
};

const POINTER_CHARS_MAX = 256;

/**
 * Splits a JSON Pointer into its unescaped tokens.
 *
 * @param field the field to name in a refusal
 * @throws Refusal `invalid` if the text is not a JSON Pointer, points to the whole snapshot, or is longer
 *   than 256 characters
 */
export function parsePointer(pointer: string, field: string): string[] {
  if (!/^(\/([^~/]|~[01])*)+$/u.test(pointer) || pointer.length > POINTER_CHARS_MAX) {
    throw new Refusal("invalid", `${field} is not a JSON Pointer (RFC 6901); an example is /ContactID`, {
      field,
    });
  }
  return pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** Returns whether a snapshot has the key's value at the key's place. */
export function matchesKey(json: string, { pointer, value }: EventKey): boolean {
  let at: unknown = parse(json);
  for (const token of parsePointer(pointer, "pointer")) {
    if (typeof at !== "object" || at === null || isLosslessNumber(at) || !Object.hasOwn(at, token))
      return false;
    at = (at as Record<string, unknown>)[token];
  }
  if (isLosslessNumber(at)) return at.value === value;
  return typeof at === "object" && at !== null ? false : String(at) === value;
}
