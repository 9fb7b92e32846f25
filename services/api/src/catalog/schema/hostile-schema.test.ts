import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { countComputing } from "@posthaste/testkit";
import { describe, expect, test } from "vitest";
import { compileSchema } from "./compile-schema.ts";
import { newWork, WorkExceeded } from "./work.ts";

/**
 * What one call may hold everybody else up, at most, in time of the processor's own: others' work does not
 * count.
 */
const AT_ONCE_MS = 3_000;
const MEBIBYTE = 1_048_576;

const many = <T>(length: number, make: (i: number) => T): T[] =>
  Array.from({ length }, (_item, i) => make(i));
const numbers = many(200_000, (i) => i);
const keys = Object.fromEntries(many(80_000, (i) => [`k${i}`, 1]));
const text = "a".repeat(MEBIBYTE - 100);
/** Without a rhythm, so that an automaton meets ever new states. */
const mixed = many(60_000, (i) => (((i * i * 7_919) % 65_521) % 2 === 0 ? "a" : "b")).join("");
const $ref = (i: number): JsonObject => ({ $ref: `#/$defs/a${i}` });
const NO_MORE = { unevaluatedProperties: false };
/** Schemas of which each holds the next one twice. */
const doubling = (keyword: string, end: JsonValue): JsonObject => ({
  ...$ref(0),
  $defs: {
    ...Object.fromEntries(many(60, (i) => [`a${i}`, { [keyword]: [$ref(i + 1), $ref(i + 1)] }])),
    a60: end,
  },
});

/** Compiles and checks; says how it ended, and sees that it was soon. */
function outcomeOf(schema: JsonObject, snapshot: unknown): string {
  expect(JSON.stringify(schema).length).toBeLessThan(65_536);
  const validate = compileSchema(schema);
  const computedMs = countComputing();
  try {
    return validate(snapshot, newWork()).length === 0 ? "fits" : "does not fit";
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    return "too much";
  } finally {
    expect(computedMs()).toBeLessThan(AT_ONCE_MS);
  }
}

describe("a pattern that is evil to JavaScript's own engine", () => {
  test.each([
    "^(a+)+$",
    "(a|a)*b",
    "(a|aa)+$",
    "(.*a){20}",
    "(a?){60}a{60}b",
    "([a-c]*)*d",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "^(a|b)*a(a|b){150}$",
  ])("%s is as good as any", (pattern) => {
    const schema = { properties: { t: { type: "string", pattern } } };
    for (const t of [`${"a".repeat(50_000)}!`, text, mixed]) {
      expect(["fits", "does not fit", "too much"]).toContain(outcomeOf(schema, { t }));
    }
    outcomeOf({ patternProperties: { [pattern]: true } }, keys);
    outcomeOf(
      { items: { pattern } },
      many(100_000, () => "aaaa!"),
    );
  });
});

describe("a schema that takes forever by itself", () => {
  test.each<[string, JsonObject, unknown, string]>([
    ["alternatives that multiply", doubling("anyOf", { type: "string" }), {}, "too much"],
    ["parts that multiply", doubling("allOf", { type: "object" }), {}, "too much"],
    ["choices that multiply", doubling("oneOf", false), {}, "too much"],
    ["one that is itself", { $ref: "#" }, {}, "too much"],
    ["one that is not itself", { not: { $ref: "#" } }, {}, "too much"],
    ["one that is itself, twice", { allOf: [{ $ref: "#" }, { $ref: "#" }] }, {}, "too much"],
    ["distinct items of a long list", { uniqueItems: true }, numbers, "fits"],
    ["distinct items that are large", { uniqueItems: true }, [keys, keys], "does not fit"],
    [
      "distinct items at every level",
      many(30, () => 0).reduce<JsonObject>((items) => ({ items, uniqueItems: true }), {}),
      many(30, () => 0).reduce<unknown>(
        (l) => [l],
        many(50_000, (i) => `x${i}`),
      ),
      "too much",
    ],
    [
      "an enumeration for each item",
      { items: { enum: many(10_000, (i) => -i - 1) } },
      numbers.slice(1).map((n) => -(n % 10_000) - 1),
      "too much",
    ],
    [
      "many parts for each item",
      { items: { allOf: many(400, (i) => ({ maximum: 1e9 + i })) } },
      numbers,
      "too much",
    ],
    [
      "many names for each item",
      { items: { required: many(9_000, (i) => `${i}`) } },
      many(100_000, () => ({})),
      "does not fit",
    ],
    ["many lengths of a text", { allOf: many(400, (i) => ({ maxLength: 2e6 + i })) }, text, "too much"],
    [
      "many formats of a text",
      { allOf: many(400, () => ({ format: "uri" })) },
      `http:${text}`,
      "does not fit",
    ],
    [
      "many alternatives for each property",
      { additionalProperties: { anyOf: many(100, (i) => ({ const: i - 99 })) } },
      Object.fromEntries(many(80_000, (i) => [`k${i}`, 0])),
      "too much",
    ],
    [
      "names beside many others",
      {
        properties: Object.fromEntries(many(400, (i) => [`p${i}`, true])),
        unevaluatedProperties: { type: "number" },
      },
      keys,
      "fits",
    ],
    [
      "patterns for each name",
      { patternProperties: Object.fromEntries(many(400, (i) => [`x${i}y`, { type: "string" }])) },
      keys,
      "too much",
    ],
    [
      "names and properties handed on from each to the next",
      {
        ...$ref(0),
        $defs: {
          ...Object.fromEntries(many(300, (i) => [`a${i}`, $ref(i + 1)])),
          a300: {
            patternProperties: { "^k": true },
            properties: Object.fromEntries(many(100, (i) => [`p${i}`, true])),
          },
        },
        ...NO_MORE,
      },
      keys,
      "too much",
    ],
    [
      "names handed on from each to the next, for each item",
      {
        items: { ...$ref(0), ...NO_MORE },
        $defs: {
          ...Object.fromEntries(many(300, (i) => [`a${i}`, $ref(i + 1)])),
          a300: { properties: Object.fromEntries(many(100, (i) => [`p${i}`, true])) },
        },
      },
      many(100_000, () => ({})),
      "too much",
    ],
    [
      "indexes handed on from each to the next",
      {
        ...$ref(0),
        $defs: {
          ...Object.fromEntries(many(300, (i) => [`a${i}`, $ref(i + 1)])),
          a300: { contains: true },
        },
        unevaluatedItems: false,
      },
      numbers,
      "too much",
    ],
    ["errors without end", { items: { type: "string" } }, numbers, "does not fit"],
    [
      "errors of alternatives without end",
      { anyOf: many(60, (i) => ({ items: { anyOf: many(4, () => ({ type: "string", title: `${i}` })) } })) },
      numbers,
      "does not fit",
    ],
  ])("%s", (_title, schema, snapshot, outcome) => {
    expect(outcomeOf(schema, snapshot)).toBe(outcome);
  });
});

describe("a schema that is long to compile", () => {
  test.each<[string, JsonObject]>([
    [
      "many properties",
      { properties: Object.fromEntries(many(490, (i) => [`p${i}`, { type: "integer", minimum: i }])) },
    ],
    ["many alternatives", { anyOf: many(100, (i) => ({ const: i })) }],
    ["many choices", { oneOf: many(4, (i) => ({ oneOf: many(100, (k) => ({ const: i * 100 + k })) })) }],
    [
      "deep ones",
      many(28, () => 0).reduce<JsonObject>((not) => ({ not, anyOf: many(15, () => ({ minimum: 1 })) }), {}),
    ],
    [
      "many references to a large one",
      {
        $defs: {
          large: { properties: Object.fromEntries(many(400, (i) => [`p${i}`, { type: "integer" }])) },
        },
        allOf: many(90, () => ({ $ref: "#/$defs/large" })),
      },
    ],
    [
      "much that is not evaluated",
      { allOf: many(240, (i) => ({ properties: { [`p${i}`]: true } })), unevaluatedProperties: false },
    ],
    ["many patterns", { patternProperties: Object.fromEntries(many(400, (i) => [`x{1,90}${i}`, true])) }],
    ["many first items", { prefixItems: many(490, () => ({})), unevaluatedItems: false }],
    ["many required names", { required: many(9_000, (i) => `${i}`) }],
    ["a large enumeration", { enum: many(12_000, (i) => i) }],
    [
      "names that every object has",
      { required: ["constructor"], properties: { toString: { type: "string" }, hasOwnProperty: false } },
    ],
  ])("%s", (_title, schema) => {
    const computedMs = countComputing();
    outcomeOf(schema, {});
    expect(computedMs()).toBeLessThan(AT_ONCE_MS);
  });
});

test("a property that JavaScript takes for the prototype is refused", () => {
  const schema = JSON.parse('{"properties":{"__proto__":{"type":"string"}}}') as JsonObject;
  expect(() => compileSchema(schema)).toThrow(/__proto__ is a name that is not supported/);
});
