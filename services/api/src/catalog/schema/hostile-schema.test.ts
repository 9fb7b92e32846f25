import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { countComputing } from "@posthaste/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { compileSchema, type Validate } from "./compile-schema.ts";
import { newWork, WorkExceeded } from "./work.ts";

/**
 * How many times as long as the reference a hostile schema may take: measured are up to three, and without a
 * bound it would be thousands. Times themselves say nothing on a machine that may be any.
 */
const TIMES_MAX = 12;
const MEBIBYTE = 1_048_576;

const many = <T>(length: number, make: (i: number) => T): T[] =>
  Array.from({ length }, (_item, i) => make(i));
const numbers = many(200_000, (i) => i);
const keys = Object.fromEntries(many(80_000, (i) => [`k${i}`, 1]));
const text = "a".repeat(MEBIBYTE - 100);
/** Not periodic, so that an automaton keeps reaching new states. */
const mixed = many(60_000, (i) => (((i * i * 7_919) % 65_521) % 2 === 0 ? "a" : "b")).join("");
const $ref = (i: number): JsonObject => ({ $ref: `#/$defs/a${i}` });
const NO_MORE = { unevaluatedProperties: false };
/** Schemas in which each refers to the next twice. */
const doubling = (keyword: string, end: JsonValue): JsonObject => ({
  ...$ref(0),
  $defs: {
    ...Object.fromEntries(many(60, (i) => [`a${i}`, { [keyword]: [$ref(i + 1), $ref(i + 1)] }])),
    a60: end,
  },
});

/** Returns the processor time that a call takes, in milliseconds. */
function measured(call: () => void): number {
  const computedMs = countComputing();
  call();
  return computedMs();
}

/**
 * Expects that a call computes for less than this. If it did not, it is measured anew: a collection of the
 * garbage that other files' tests have left in this process takes seconds, and hits one call in many.
 */
function expectComputing(msMax: number, call: () => void): void {
  let least = measured(call);
  for (let again = 0; again < 2 && least >= msMax; again++) least = Math.min(least, measured(call));
  expect(least).toBeLessThan(msMax);
}

function check(validate: Validate, snapshot: unknown): string {
  try {
    return validate(snapshot, newWork()).length === 0 ? "valid" : "invalid";
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    return "too many steps";
  }
}

/** What an ordinary schema of the largest size takes to compile, and a check that spends all of its steps. */
const reference = { compileMs: 0, checkMs: 0 };
beforeAll(() => {
  const properties = many(490, (i) => [`p${i}`, { type: "integer", minimum: i }] as const);
  const schema = { properties: Object.fromEntries(properties), items: { type: "integer", minimum: 0 } };
  const list = many(1_000_000, (i) => i);
  const runs = many(3, () => {
    let validate: Validate = () => [];
    const compileMs = measured(() => {
      validate = compileSchema(schema);
    });
    const checkMs = measured(() => expect(check(validate, list)).toBe("too many steps"));
    return { compileMs, checkMs };
  });
  // The slowest, because those below run only once.
  reference.compileMs = Math.max(...runs.map(({ compileMs }) => compileMs));
  reference.checkMs = Math.max(...runs.map(({ checkMs }) => checkMs));
});

/** Compiles and checks; returns the outcome and asserts that it came in time. */
function outcomeOf(schema: JsonObject, snapshot: unknown): string {
  expect(JSON.stringify(schema).length).toBeLessThan(65_536);
  let validate: Validate = () => [];
  expectComputing(TIMES_MAX * reference.compileMs, () => {
    validate = compileSchema(schema);
  });
  let outcome = "";
  expectComputing(TIMES_MAX * reference.checkMs, () => {
    outcome = check(validate, snapshot);
  });
  return outcome;
}

describe("a pattern that takes JavaScript's own engine exponential time is checked in time:", () => {
  test.each([
    "^(a+)+$",
    "(a|a)*b",
    "(a|aa)+$",
    "(.*a){20}",
    "(a?){60}a{60}b",
    "([a-c]*)*d",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "^(a|b)*a(a|b){150}$",
  ])("%s", (pattern) => {
    const schema = { properties: { t: { type: "string", pattern } } };
    for (const t of [`${"a".repeat(50_000)}!`, text, mixed]) {
      expect(["valid", "invalid", "too many steps"]).toContain(outcomeOf(schema, { t }));
    }
    outcomeOf({ patternProperties: { [pattern]: true } }, keys);
    outcomeOf(
      { items: { pattern } },
      many(100_000, () => "aaaa!"),
    );
  });
});

describe("a check that would take forever ends in time:", () => {
  test.each<[string, JsonObject, unknown, string]>([
    ["anyOf that doubles at each level", doubling("anyOf", { type: "string" }), {}, "too many steps"],
    ["allOf that doubles at each level", doubling("allOf", { type: "object" }), {}, "too many steps"],
    ["oneOf that doubles at each level", doubling("oneOf", false), {}, "too many steps"],
    ["a schema that refers to itself", { $ref: "#" }, {}, "too many steps"],
    ["a schema that negates itself", { not: { $ref: "#" } }, {}, "too many steps"],
    ["a schema that refers to itself twice", { allOf: [{ $ref: "#" }, { $ref: "#" }] }, {}, "too many steps"],
    ["uniqueItems of a long array", { uniqueItems: true }, numbers, "valid"],
    ["uniqueItems of large items", { uniqueItems: true }, [keys, keys], "invalid"],
    [
      "uniqueItems at every level",
      many(30, () => 0).reduce<JsonObject>((items) => ({ items, uniqueItems: true }), {}),
      many(30, () => 0).reduce<unknown>(
        (l) => [l],
        many(50_000, (i) => `x${i}`),
      ),
      "too many steps",
    ],
    [
      "an enum for each item",
      { items: { enum: many(10_000, (i) => -i - 1) } },
      numbers.slice(1).map((n) => -(n % 10_000) - 1),
      "too many steps",
    ],
    [
      "a long allOf for each item",
      { items: { allOf: many(400, (i) => ({ maximum: 1e9 + i })) } },
      numbers,
      "too many steps",
    ],
    [
      "many required names for each item",
      { items: { required: many(9_000, (i) => `${i}`) } },
      many(100_000, () => ({})),
      "invalid",
    ],
    [
      "many length checks of a long text",
      { allOf: many(400, (i) => ({ maxLength: 2e6 + i })) },
      text,
      "too many steps",
    ],
    [
      "many format checks of a long text",
      { allOf: many(400, () => ({ format: "uri" })) },
      `http:${text}`,
      "invalid",
    ],
    [
      "many alternatives for each property",
      { additionalProperties: { anyOf: many(100, (i) => ({ const: i - 99 })) } },
      Object.fromEntries(many(80_000, (i) => [`k${i}`, 0])),
      "too many steps",
    ],
    [
      "unevaluatedProperties beside many properties",
      {
        properties: Object.fromEntries(many(400, (i) => [`p${i}`, true])),
        unevaluatedProperties: { type: "number" },
      },
      keys,
      "valid",
    ],
    [
      "many patterns for each name",
      { patternProperties: Object.fromEntries(many(400, (i) => [`x${i}y`, { type: "string" }])) },
      keys,
      "too many steps",
    ],
    [
      "evaluated names passed through a long chain of references",
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
      "too many steps",
    ],
    [
      "evaluated names passed through a long chain of references, for each item",
      {
        items: { ...$ref(0), ...NO_MORE },
        $defs: {
          ...Object.fromEntries(many(300, (i) => [`a${i}`, $ref(i + 1)])),
          a300: { properties: Object.fromEntries(many(100, (i) => [`p${i}`, true])) },
        },
      },
      many(100_000, () => ({})),
      "too many steps",
    ],
    [
      "evaluated indexes passed through a long chain of references",
      {
        ...$ref(0),
        $defs: {
          ...Object.fromEntries(many(300, (i) => [`a${i}`, $ref(i + 1)])),
          a300: { contains: true },
        },
        unevaluatedItems: false,
      },
      numbers,
      "too many steps",
    ],
    ["very many errors", { items: { type: "string" } }, numbers, "invalid"],
    [
      "very many errors of alternatives",
      { anyOf: many(60, (i) => ({ items: { anyOf: many(4, () => ({ type: "string", title: `${i}` })) } })) },
      numbers,
      "invalid",
    ],
  ])("%s", (_title, schema, snapshot, outcome) => {
    expect(outcomeOf(schema, snapshot)).toBe(outcome);
  });
});

describe("a schema that takes long to compile compiles in time:", () => {
  test.each<[string, JsonObject]>([
    [
      "many properties",
      { properties: Object.fromEntries(many(490, (i) => [`p${i}`, { type: "integer", minimum: i }])) },
    ],
    ["many alternatives", { anyOf: many(100, (i) => ({ const: i })) }],
    [
      "many nested alternatives",
      { oneOf: many(4, (i) => ({ oneOf: many(100, (k) => ({ const: i * 100 + k })) })) },
    ],
    [
      "deep nesting",
      many(28, () => 0).reduce<JsonObject>((not) => ({ not, anyOf: many(15, () => ({ minimum: 1 })) }), {}),
    ],
    [
      "many references to a large schema",
      {
        $defs: {
          large: { properties: Object.fromEntries(many(400, (i) => [`p${i}`, { type: "integer" }])) },
        },
        allOf: many(90, () => ({ $ref: "#/$defs/large" })),
      },
    ],
    [
      "many subschemas under unevaluatedProperties",
      { allOf: many(240, (i) => ({ properties: { [`p${i}`]: true } })), unevaluatedProperties: false },
    ],
    ["many patterns", { patternProperties: Object.fromEntries(many(400, (i) => [`x{1,90}${i}`, true])) }],
    ["many prefixItems", { prefixItems: many(490, () => ({})), unevaluatedItems: false }],
    ["many required names", { required: many(9_000, (i) => `${i}`) }],
    ["a large enum", { enum: many(12_000, (i) => i) }],
    [
      "names that every JavaScript object has",
      { required: ["constructor"], properties: { toString: { type: "string" }, hasOwnProperty: false } },
    ],
  ])("%s", (_title, schema) => {
    outcomeOf(schema, {});
  });
});

test("a property named __proto__ is refused", () => {
  const schema = JSON.parse('{"properties":{"__proto__":{"type":"string"}}}') as JsonObject;
  expect(() => compileSchema(schema)).toThrow(/__proto__ is not a supported name/);
});

test("a schema that overflows the stack of its compiler is refused", () => {
  const names = many(4_000, (i) => [`${i}`, [`${i}`]]);
  const schema: JsonObject = { dependentRequired: Object.fromEntries(names) };
  expect(() => compileSchema(schema)).toThrow(/too large to compile/);
});
