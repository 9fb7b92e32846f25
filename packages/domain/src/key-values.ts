import { parsePointer } from "./event-key.ts";
import type { EventTypeKey } from "./event-type.ts";
import { Refusal } from "./refusal.ts";

/** Maximum keys of an event type: each adds a row to the index with every event. */
export const EVENT_TYPE_KEYS_MAX = 8;
/** The longest value that is indexed, in bytes of UTF-8: longer ones are texts, and nobody looks them up. */
export const KEY_VALUE_BYTES_MAX = 256;

/** A value by which an event is found. */
export type KeyValue = {
  /** The characters of a string, or a number as the snapshot writes it. */
  readonly value: string;
  readonly sensitive: boolean;
};

/** A value as it was found in a snapshot. */
export type FoundValue = KeyValue & {
  /** The pointer of the key that leads to it. */
  readonly pointer: string;
};

/**
 * Checks the keys of an event type.
 *
 * @throws Refusal `invalid`, naming the pointer at fault
 */
export function requireKeys(keys: readonly EventTypeKey[], field: string): void {
  const refuse = (at: string, what: string) => new Refusal("invalid", `${at} ${what}`, { field: at });
  if (keys.length > EVENT_TYPE_KEYS_MAX) {
    throw refuse(field, `has ${keys.length} keys; at most ${EVENT_TYPE_KEYS_MAX} are allowed`);
  }
  const seen = new Set<string>();
  for (const [i, { pointer }] of keys.entries()) {
    const at = `${field}[${i}].pointer`;
    parsePointer(pointer, at);
    if (pointer.endsWith(" ")) throw refuse(at, "ends in a space; remove it");
    if (seen.has(pointer)) throw refuse(at, `repeats ${pointer}; name each field once`);
    seen.add(pointer);
  }
}

/**
 * Returns the values that a snapshot has at its type's keys, each once for each key that leads to it. A value
 * is a number, or a string of 1 to {@link KEY_VALUE_BYTES_MAX} bytes; others are left out.
 *
 * One pass over the text finds them and stops at the last one. The parsed snapshot would not do: its numbers
 * are doubles, and not what the sender wrote.
 *
 * @param json a text that `parseEventData` has accepted
 */
export function readKeyValues(json: string, keys: readonly EventTypeKey[]): FoundValue[] {
  if (keys.length === 0) return [];
  const reading: Reading = { json, at: 0, left: new Set(keys), values: [] };
  readValue(reading, placesOf(keys));
  return reading.values;
}

/** A place in a snapshot that a pointer leads to or through. */
type Place = {
  /** By the name of a member, or the number of an item. */
  readonly inside: Map<string, Place>;
  /** Undefined: no pointer ends here. */
  key?: EventTypeKey;
};

/** Kept as long as the keys: to parse a few pointers takes as long as to read a small snapshot. */
const knownPlaces = new WeakMap<readonly EventTypeKey[], Place>();

function placesOf(keys: readonly EventTypeKey[]): Place {
  const known = knownPlaces.get(keys);
  if (known !== undefined) return known;
  const root: Place = { inside: new Map() };
  for (const key of keys) {
    let place = root;
    for (const token of parsePointer(key.pointer, "pointer")) {
      const next = place.inside.get(token) ?? { inside: new Map() };
      place.inside.set(token, next);
      place = next;
    }
    place.key = key;
  }
  knownPlaces.set(keys, root);
  return root;
}

type Reading = {
  readonly json: string;
  /** How far the text was read. */
  at: number;
  /** The keys that were not met yet. */
  readonly left: Set<EventTypeKey>;
  readonly values: FoundValue[];
};

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Reads the value that begins here or after white space. It recurses only where pointers lead. */
function readValue(reading: Reading, place: Place): void {
  const { json } = reading;
  const from = skipSpace(reading);
  const first = json.charCodeAt(from);
  if (first === OPEN_OBJECT && place.inside.size > 0) readMembers(reading, place);
  else if (first === OPEN_LIST && place.inside.size > 0) readItems(reading, place);
  else reading.at = endOfValue(json, from);
  // A snapshot may name a member twice, with the same value.
  if (place.key === undefined || !reading.left.delete(place.key)) return;
  const value = first === QUOTE ? unquoted(json.slice(from, reading.at)) : json.slice(from, reading.at);
  const isText = first === QUOTE || isStartOfNumber(first);
  if (isText && isIndexed(value)) reading.values.push({ value, ...place.key });
}

function readMembers(reading: Reading, place: Place): void {
  const { json } = reading;
  reading.at += 1;
  while (reading.left.size > 0 && json.charCodeAt(skipSpace(reading)) !== CLOSE_OBJECT) {
    const from = reading.at;
    reading.at = endOfString(json, from);
    const member = place.inside.get(unquoted(json.slice(from, reading.at)));
    skipSpace(reading);
    // The colon.
    reading.at += 1;
    readOrSkip(reading, member);
  }
  reading.at += 1;
}

function readItems(reading: Reading, place: Place): void {
  const { json } = reading;
  reading.at += 1;
  for (let i = 0; reading.left.size > 0 && json.charCodeAt(skipSpace(reading)) !== CLOSE_LIST; i++) {
    readOrSkip(reading, place.inside.get(String(i)));
  }
  reading.at += 1;
}

/** Reads or skips a value, with the comma after it. */
function readOrSkip(reading: Reading, place: Place | undefined): void {
  if (place !== undefined) readValue(reading, place);
  else reading.at = endOfValue(reading.json, skipSpace(reading));
  if (reading.json.charCodeAt(skipSpace(reading)) === COMMA) reading.at += 1;
}

function skipSpace(reading: Reading): number {
  while (reading.json.charCodeAt(reading.at) <= 0x20) reading.at += 1;
  return reading.at;
}

/** Returns where the value ends that begins here, without recursing. */
function endOfValue(json: string, from: number): number {
  let depth = 0;
  for (let at = from; at < json.length; ) {
    const char = json.charCodeAt(at);
    if (char === QUOTE) at = endOfString(json, at);
    else {
      if (char === OPEN_OBJECT || char === OPEN_LIST) depth += 1;
      else if (char === CLOSE_OBJECT || char === CLOSE_LIST) depth -= 1;
      else if (depth === 0) return endOfLiteral(json, at);
      at += 1;
    }
    if (depth === 0) return at;
  }
  return json.length;
}

/** Returns the place after the closing quotation mark of a string that begins here. */
function endOfString(json: string, from: number): number {
  for (let at = from; ; ) {
    at = json.indexOf('"', at + 1);
    let escapes = at;
    while (json.charCodeAt(escapes - 1) === BACKSLASH) escapes -= 1;
    if ((at - escapes) % 2 === 0) return at + 1;
  }
}

/** Returns where a number, `true`, `false` or `null` ends. */
function endOfLiteral(json: string, from: number): number {
  const after = /[,\]}\s]/g;
  after.lastIndex = from;
  return after.exec(json)?.index ?? json.length;
}

function isStartOfNumber(char: number): boolean {
  return char === 0x2d || (char >= 0x30 && char <= 0x39);
}

function unquoted(text: string): string {
  return text.includes("\\") ? (JSON.parse(text) as string) : text.slice(1, -1);
}

const encoder = new TextEncoder();

function isIndexed(value: string): boolean {
  if (value === "" || value.length > KEY_VALUE_BYTES_MAX || !value.isWellFormed()) return false;
  // A unit of UTF-16 takes three bytes at most.
  return value.length * 3 <= KEY_VALUE_BYTES_MAX || encoder.encode(value).length <= KEY_VALUE_BYTES_MAX;
}
