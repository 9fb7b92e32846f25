import {
  type Alternative,
  alternativesOf,
  isWithin,
  type JsonSchema,
  spelled,
  splitByType,
} from "./schema-alternatives.ts";

/**
 * Steps of one comparison: some 50 ms. Schemas that people write take some hundred; alternatives inside alternatives
 * multiply.
 */
const STEPS_MAX = 50_000;
/** What is told of a value. */
const VALUE_CHARS_MAX = 40;

/**
 * What receivers that were written for one version of a schema could not rely on in another: sentences that begin with
 * a JSON Pointer, in which `*` stands for any item. An empty list: they can read what the new one describes.
 *
 * Broken is: a property that is gone or no longer required, a type or an enumeration that is wider. Not looked at are
 * bounds, patterns and formats, which receivers seldom depend on, and `not`, `if`, and what depends on other properties.
 *
 * @param before is known to be a JSON Schema, as is `after`
 */
export function schemaBreaks(before: JsonSchema, after: JsonSchema): string[] {
  try {
    return [...new Set(createComparison(before, after)(before, after, ""))];
  } catch (error) {
    if (!(error instanceof TooInvolved)) throw error;
    return ["the schemas have too many alternatives inside alternatives to be compared"];
  }
}

class TooInvolved extends Error {
  override readonly name = "TooInvolved";
}

type Compare = (before: JsonSchema, after: JsonSchema, path: string) => string[];

function createComparison(rootBefore: JsonSchema, rootAfter: JsonSchema): Compare {
  /** Pairs that are being compared: meeting one again adds nothing, so schemas that contain themselves come to an end. */
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
      return spelled(before) === spelled(after)
        ? []
        : [`${placeOf(path)} has too many alternatives to be compared`];
    }
    const [only] = old;
    if (only !== undefined && old.length === 1) {
      return now.flatMap((one) => breaksBetween(only, one, path, compare));
    }
    const isKnown = (one: Alternative) =>
      old.some((each) => breaksBetween(each, one, path, compare).length === 0);
    return now.flatMap(splitByType).every(isKnown)
      ? []
      : [`${placeOf(path)} may be something that fits none of its alternatives of before`];
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
    if (now.types === undefined) return [`${placeOf(path)} may be of any type, and was ${listed(types)}`];
    const added = [...now.types].filter((type) => !isWithin(type, types));
    if (added.length > 0) return [`${placeOf(path)} may be ${listed(added)}, and was ${listed(types)}`];
  }
  if (values === undefined) return [];
  if (now.values === undefined) return [`${placeOf(path)} may have any value, and was one of an enumeration`];
  return [...now.values]
    .filter(([key]) => !values.has(key))
    .map(
      ([key]) => `${placeOf(path)} may be ${key.slice(0, VALUE_CHARS_MAX)}, which was not in its enumeration`,
    );
}

function objectBreaks(old: Alternative, now: Alternative, path: string, compare: Compare): string[] {
  const found: string[] = [];
  for (const [name, before] of old.properties) {
    const at = `${path}/${escaped(name)}`;
    const after = now.properties.get(name) ?? false;
    if (before === false) continue;
    found.push(...(after === false ? [`${at} is gone`] : compare(before, after, at)));
  }
  for (const name of old.required) {
    const isGone = old.properties.has(name) && (now.properties.get(name) ?? false) === false;
    if (!now.required.has(name) && !isGone) found.push(`${path}/${escaped(name)} is no longer required`);
  }
  // Of an object that is used as a map, any name is read in the same way.
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
