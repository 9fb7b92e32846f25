import { isLosslessNumber, parse } from "lossless-json";

/**
 * Where a text may have a number that its double does not give back: with 16 and more digits, or an exponent
 * of three. The text of a string may look so, too.
 */
const MAYBE_INEXACT = /[\d.]{16}|[eE][+-]?\d{3}/;

type Key = string | number;
/** The texts of numbers that JavaScript would write otherwise, by the object or list that holds them. */
const textsIn = new WeakMap<object, Map<Key, string>>();

/**
 * Notes how a text writes the numbers of its value, for {@link numberText}. The notes live as long as the
 * value.
 *
 * @param value the text, as the engine's parser has read it
 */
export function noteNumberTexts(value: object, json: string): void {
  if (MAYBE_INEXACT.test(json)) noteAll(value, parse(json));
}

/** Returns the text of a number in a value, or the shortest text of its double if none was noted. */
export function numberText(holder: object, key: Key, value: number): string {
  return textsIn.get(holder)?.get(key) ?? String(value);
}

/** Returns whether the text of a number was noted because it differs from its double's. */
export function hasNumberText(holder: object, key: Key): boolean {
  return textsIn.get(holder)?.has(key) === true;
}

/** It recurses, but a snapshot nests no deeper than 64 levels. */
function noteAll(plain: object, exact: unknown): void {
  for (const [name, item] of Object.entries(plain)) {
    const key = Array.isArray(plain) ? Number(name) : name;
    const exactItem = Object.hasOwn(exact as object, name)
      ? (exact as Record<string, unknown>)[name]
      : undefined;
    if (typeof item === "object" && item !== null) noteAll(item, exactItem);
    else if (isLosslessNumber(exactItem) && exactItem.value !== String(item)) {
      const texts = textsIn.get(plain) ?? new Map<Key, string>();
      textsIn.set(plain, texts.set(key, exactItem.value));
    }
  }
}
