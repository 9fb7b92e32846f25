import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalEventData, parseEventData } from "./event-data.ts";
import { Refusal } from "./refusal.ts";

const canonical = (json: string) => canonicalEventData(parseEventData(json, "data_json").json);
const object = fc.dictionary(
  // JavaScript itself moves integer-like keys to the front.
  fc.string({ unit: "grapheme", maxLength: 8 }).filter((key) => !/^\d+$/.test(key)),
  fc.jsonValue({ maxDepth: 4 }),
  { maxKeys: 6, noNullPrototype: true },
);

/** Spells the same value differently: white space, escapes, order of keys, notation of numbers. */
function respell(value: unknown, space: string): string {
  if (Array.isArray(value))
    return `[${space}${value.map((item) => respell(item, space)).join(`${space},${space}`)}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).reverse();
    return `{${space}${members.map(([key, member]) => `${escaped(key)}${space}:${respell(member, space)}`).join(`,${space}`)}${space}}`;
  }
  if (typeof value === "string") return escaped(value);
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 1e15) return `${value}.0e+00`;
  return JSON.stringify(value);
}
const escaped = (text: string) =>
  `"${[...Array(text.length).keys()].map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")}"`;

test("equal content has the same canonical form in every spelling, and the text stays unchanged", () => {
  fc.assert(
    fc.property(object, fc.constantFrom("", " ", "\n\t"), (value, space) => {
      const plain = JSON.stringify(value);
      const other = respell(value, space);
      expect(canonical(other)).toBe(canonical(plain));
      expect(parseEventData(other, "data_json").json).toBe(other);
    }),
    fuzzing(),
  );
});

test("different content has different canonical forms", () => {
  fc.assert(
    fc.property(object, object, (a, b) => {
      // JSON has no -0, undefined or NaN, so the values are compared after a round trip.
      const same = isEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
      expect(canonical(JSON.stringify(a)) === canonical(JSON.stringify(b))).toBe(same);
    }),
    fuzzing(),
  );
});

test("any text is accepted or refused as JSON.parse would, except for duplicate keys", () => {
  const jsonLike = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    fc
      .tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 }))
      .map(
        ([json, at, junk]) =>
          json.slice(0, at % (json.length + 1)) + junk + json.slice(at % (json.length + 1)),
      ),
    fc
      .string({ unit: fc.constantFrom(...'{}[]",:0123456789.eE+-truefalsn\\u '), maxLength: 40 })
      .map((text) => `{"a":${text}}`),
  );
  fc.assert(
    fc.property(jsonLike, (text) => {
      let accepted = true;
      try {
        canonical(text);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        expect(error).toMatchObject({ code: "invalid", field: "data_json" });
        accepted = false;
        // JSON.parse accepts a duplicate key, but its meaning is ambiguous.
        if (/Duplicate key/.test(error.message)) return;
      }
      expect(accepted).toBe(isObjectToJson(text));
    }),
    fuzzing(),
  );
});

function isObjectToJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key as never], b[key as never]))
  );
}
