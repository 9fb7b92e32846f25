import { isLosslessNumber, parse } from "lossless-json";
import { Refusal } from "./refusal.ts";

/** What events are found by: a place in the snapshot, and what stands there. */
export type EventKey = {
  /** A JSON Pointer (RFC 6901), such as `/ContactID` or `/Company/Email`. */
  readonly pointer: string;
  /** A string's characters, or a number, `true`, `false` or `null` as it is written. */
  readonly value: string;
};

const POINTER_CHARS_MAX = 256;

/** @throws Refusal `invalid` for what is no JSON Pointer to a place within the snapshot */
export function parsePointer(pointer: string, field: string): string[] {
  if (!/^(\/([^~/]|~[01])*)+$/u.test(pointer) || pointer.length > POINTER_CHARS_MAX) {
    throw new Refusal("invalid", `${field} is no JSON Pointer (RFC 6901); write it such as /ContactID`, {
      field,
    });
  }
  return pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** Whether a snapshot has this value in this place. */
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
