import {
  type Alternative,
  alternativesOf,
  CHARS_A_STEP,
  isWithin,
  type JsonSchema,
  sizeOf,
  spelled,
  splitByType,
} from "./schema-alternatives.ts";

/**
 * Steps of one comparison, at most: about 0.1 s. Schemas written by hand take a few hundred steps, and an
 * enumeration that fills the largest schema 70,000, but nested alternatives multiply them.
 */
const STEPS_MAX = 200_000;
/** How much of a value a sentence quotes. */
const VALUE_CHARS_MAX = 40;

/**
 * Returns the changes between two versions of a schema that break receivers written for the version before.
 * Each is a sentence that begins with a JSON Pointer, in which `*` stands for any item. An empty list means
 * that the versions are compatible.
 *
 * A change breaks receivers if it removes a property, makes it optional, or widens a type or an enumeration.
 * The comparison ignores bounds, patterns and formats, on which receivers seldom depend, and also `not`, `if`
 * and keywords that depend on other properties.
 *
 * @param before a valid JSON Schema, like `after`
 */
export function schemaBreaks(before: JsonSchema, after: JsonSchema): string[] {
  try {
    return [...new Set(createComparison(before, after)(before, after, ""))];
  } catch (error) {
    if (!(error instanceof TooInvolved)) throw error;
    return ["the schemas have too many nested alternatives to compare"];
  }
}

class TooInvolved extends Error {
  override readonly name = "TooInvolved";
}

type Compare = (before: JsonSchema, after: JsonSchema, path: string) => string[];

function createComparison(rootBefore: JsonSchema, rootAfter: JsonSchema): Compare {
  /**
   * Pairs that are being compared. Skipping a pair that is already here ends the recursion of recursive
   * schemas.
   */
  const open = new Map<JsonSchema, Set<JsonSchema>>();
  let left = STEPS_MAX;
  const spend = (steps: number) => {
    left -= steps;
    if (left < 0) throw new TooInvolved();
  };

  const compare: Compare = (before, after, path) => {
    const among = open.get(before) ?? new Set();
    if (before === true || after === false || among.has(after)) return [];
    open.set(before, among.add(after));
    const found = compareAlternatives(before, after, path);
    among.delete(after);
    return found;
  };
  const compareAlternatives: Compare = (before, after, path) => {
    const old = alternativesOf(before, { root: rootBefore, spend });
    const now = alternativesOf(after, { root: rootAfter, spend });
    if (old === undefined || now === undefined) {
      const [textBefore, textAfter] = [spelled(before), spelled(after)];
      spend(Math.ceil((textBefore.length + textAfter.length) / CHARS_A_STEP));
      return textBefore === textAfter ? [] : [`${placeOf(path)} has too many alternatives to compare`];
    }
    const breaks = (each: Alternative, alternative: Alternative) => {
      spend(sizeOf(each) + sizeOf(alternative));
      return breaksBetween(each, alternative, path, compare);
    };
    const [only] = old;
    if (only !== undefined && old.length === 1) {
      return now.flatMap((alternative) => breaks(only, alternative));
    }
    const isKnown = (alternative: Alternative) => old.some((each) => breaks(each, alternative).length === 0);
    return now.flatMap((alternative) => splitByType(alternative, spend)).every(isKnown)
      ? []
      : [`${placeOf(path)} may now have a value that matches none of its previous alternatives`];
  };
  return compare;
}

function breaksBetween(old: Alternative, now: Alternative, path: string, compare: Compare): string[] {
  return [
    ...typeBreaks(old, now, path),
    ...(mayBe(old, "object") && mayBe(now, "object") ? objectBreaks(old, now, path, compare) : []),
    ...(mayBe(old, "array") && mayBe(now, "array") ? itemBreaks(old, now, path, compare) : []),
  ];
}

function typeBreaks(old: Alternative, now: Alternative, path: string): string[] {
  const { types, values } = old;
  if (types !== undefined) {
    if (now.types === undefined) return [`${placeOf(path)} may now have any type (was ${listed(types)})`];
    const added = [...now.types].filter((type) => !isWithin(type, types));
    if (added.length > 0) return [`${placeOf(path)} may now be ${listed(added)} (was ${listed(types)})`];
  }
  if (values === undefined) return [];
  if (now.values === undefined) return [`${placeOf(path)} may now have any value (was an enumeration)`];
  return [...now.values]
    .filter(([key]) => !values.has(key))
    .map(
      ([key]) =>
        `${placeOf(path)} may now be ${key.slice(0, VALUE_CHARS_MAX)}, which was not in its enumeration`,
    );
}

function objectBreaks(old: Alternative, now: Alternative, path: string, compare: Compare): string[] {
  const found: string[] = [];
  for (const [name, before] of old.properties) {
    const at = `${path}/${escaped(name)}`;
    const after = now.properties.get(name) ?? false;
    if (before === false) continue;
    found.push(...(after === false ? [`${at} was removed`] : compare(before, after, at)));
  }
  for (const name of old.required) {
    const isGone = old.properties.has(name) && (now.properties.get(name) ?? false) === false;
    if (!now.required.has(name) && !isGone) found.push(`${path}/${escaped(name)} is no longer required`);
  }
  // Receivers read every property of a map in the same way, so new names must match the old schema of the
  // values.
  if (typeof old.additional === "boolean") return found;
  for (const [name, after] of now.properties) {
    if (!old.properties.has(name)) found.push(...compare(old.additional, after, `${path}/${escaped(name)}`));
  }
  return [...found, ...compare(old.additional, now.additional, `${path}/*`)];
}

function itemBreaks(old: Alternative, now: Alternative, path: string, compare: Compare): string[] {
  const length = Math.max(old.prefix.length, now.prefix.length);
  const first = Array.from({ length }, (_item, i) =>
    compare(old.prefix[i] ?? old.items, now.prefix[i] ?? now.items, `${path}/${i}`),
  );
  return [...first.flat(), ...compare(old.items, now.items, `${path}/*`)];
}

function mayBe({ types }: Alternative, type: string): boolean {
  return types === undefined || types.has(type);
}

function placeOf(path: string): string {
  return path === "" ? "the snapshot" : path;
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function listed(types: Iterable<string>): string {
  return [...types].join(" or ");
}
