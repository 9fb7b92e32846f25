import type { EventTypeKey } from "@posthaste/contracts/event_catalog";

/** A field that may be a key, with the sample's value of it. */
export type OfferedKey = { readonly pointer: string; readonly value: string };
export type Key = Pick<EventTypeKey, "pointer" | "sensitive">;

/** The API takes at most as many. */
export const KEYS_MAX = 8;
/** A list to tick off; whoever has more fields names the others through the API. */
const OFFERED_MAX = 60;
/** The longest pointer and value that are indexed. */
const POINTER_CHARS_MAX = 256;
const VALUE_BYTES_MAX = 256;

/**
 * Returns the fields of a sample whose values are indexed: strings and numbers. Items of lists are not
 * offered, because an event has any number of them, and a key names one of them.
 *
 * @param sampleJson a JSON object
 * @param chosen keys of the event type, which come along even if the sample lacks them
 */
export function offeredKeys(sampleJson: string, chosen: readonly Key[]): OfferedKey[] {
  const found = fieldsOf(JSON.parse(sampleJson), "").slice(0, OFFERED_MAX);
  const pointers = new Set(found.map(({ pointer }) => pointer));
  const others = chosen.filter(({ pointer }) => !pointers.has(pointer));
  return [...found, ...others.map(({ pointer }) => ({ pointer, value: "" }))];
}

function fieldsOf(value: unknown, pointer: string): OfferedKey[] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([name, inside]) =>
      fieldsOf(inside, `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`),
    );
  }
  const text = typeof value === "number" ? String(value) : value;
  const isIndexed = typeof text === "string" && text !== "" && bytesOf(text) <= VALUE_BYTES_MAX;
  return isIndexed && pointer.length <= POINTER_CHARS_MAX && !pointer.endsWith(" ")
    ? [{ pointer, value: text }]
    : [];
}

const bytesOf = (text: string) => new TextEncoder().encode(text).length;
