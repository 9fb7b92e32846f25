import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { fitsByTheBook } from "../../../test/json-schema-by-the-book.ts";
import { compileSchema } from "./compile-schema.ts";
import { newWork } from "./work.ts";

const NO_MORE = { unevaluatedProperties: false };
const NONE_LEFT = { unevaluatedItems: false };
const a = { properties: { a: true } };
const hasA = { ...a, required: ["a"] };
const hasB = { properties: { b: true }, required: ["b"] };
const pattern = { patternProperties: { "^a": {} } };

/** An object that has `then` looks like a promise to linters. */
const then = (schema: JsonObject): JsonObject =>
  Object.fromEntries(["then"].map((keyword) => [keyword, schema]));

/** A title, a schema, and values with whether they match. */
type Case = [title: string, schema: JsonObject, ...values: [value: unknown, isValid: boolean][]];
const CASES: Case[] = [
  [
    "an alternative that does not match, before a pattern",
    { allOf: [{ ...pattern, anyOf: [NO_MORE] }] },
    [{ a: {} }, false],
  ],
  [
    "an alternative that evaluates nothing, before a pattern",
    { ...pattern, anyOf: [NO_MORE, { type: "object" }] },
    [{ a: {} }, true],
  ],
  [
    "an alternative that evaluates everything, before a pattern",
    { ...pattern, anyOf: [{ type: "object", additionalProperties: true }], ...NO_MORE },
    [{ a: {}, b: 1 }, true],
  ],
  [
    "a reference that does not match, before a pattern",
    { $defs: { x: hasB }, anyOf: [{ $ref: "#/$defs/x", ...pattern }], ...NO_MORE },
    [{ a: 1 }, false],
    [{ a: 1, b: 1 }, true],
  ],
  [
    "a then that does not apply, before a pattern",
    { if: hasB, ...then(a), ...pattern, ...NO_MORE },
    [{ a: 1 }, true],
    [{ c: 1 }, false],
  ],
  [
    "a dependent schema that does not apply, before a pattern",
    { dependentSchemas: { b: hasA }, patternProperties: { "^b": true }, ...NO_MORE },
    [{ b: 1 }, false],
    [{ b: 1, a: 1 }, true],
    [{ a: 1 }, false],
  ],
  [
    "properties that the previous item has evaluated",
    { items: { anyOf: [hasA, { type: "object" }], ...NO_MORE } },
    [[{ a: 1 }], true],
    [[{ a: 1 }, {}], true],
    [[{ b: 1 }], false],
  ],
  [
    "an alternative that matched the previous item",
    { items: { anyOf: [{ ...a, required: ["b"] }, { properties: { b: true } }], ...NO_MORE } },
    [[{ a: 1, b: 1 }, { b: 1 }], true],
    [[{ a: 1, b: 1 }, { a: 1 }], false],
  ],
  [
    "names that every JavaScript object has",
    { anyOf: [hasA, { type: "object" }], ...NO_MORE },
    [{ constructor: 1 }, false],
    [{ toString: 1, a: 1 }, false],
  ],
  [
    "a reference beside properties",
    {
      $defs: { x: { ...a, anyOf: [{ properties: { c: true } }, true] } },
      items: {
        oneOf: [
          { $ref: "#/$defs/x", ...hasB },
          { $ref: "#/$defs/x", not: hasB },
        ],
        ...NO_MORE,
      },
    },
    [
      [
        { a: 1, b: 1 },
        { a: 1, c: 1 },
      ],
      true,
    ],
    [[{ b: 1 }, { d: 1 }], false],
  ],
  [
    "a condition that does not hold",
    { if: { allOf: [a], required: ["b"] }, ...then({ properties: { b: true } }), ...NO_MORE },
    [{ a: 1 }, false],
    [{ a: 1, b: 1 }, true],
  ],
  ["an if without then and else", { if: hasA, ...NO_MORE }, [{ a: 1 }, true], [{ b: 1 }, false]],
  ["a double negation", { not: { not: a }, ...NO_MORE }, [{ a: 1 }, false]],
  [
    "alternatives for all items",
    { anyOf: [{ items: { type: "integer" } }], ...NONE_LEFT },
    [[1, 2, 3], true],
    [["x"], false],
  ],
  [
    "alternatives for the first items",
    { anyOf: [{ prefixItems: [{ type: "integer" }] }, { type: "array" }], ...NONE_LEFT },
    [[1], true],
    [[1, 2], false],
    [["x"], false],
  ],
  [
    "an alternative that evaluates no items",
    {
      oneOf: [{ prefixItems: [{ type: "integer" }] }, { type: "string" }],
      unevaluatedItems: { type: "string" },
    },
    [[1, "x"], true],
    [[1, 2], false],
  ],
  [
    "items that contains has evaluated",
    { contains: { type: "integer" }, ...NONE_LEFT },
    [[1, 2], true],
    [[1, "x"], false],
    [["x"], false],
  ],
  [
    "items that a nested contains has evaluated, and the rest",
    { anyOf: [{ contains: { type: "integer" } }], unevaluatedItems: { type: "string" } },
    [[1, "x", 2], true],
    [[1, null], false],
    [["x"], false],
  ],
  [
    "contains with minContains 0",
    { contains: { const: 1 }, minContains: 0, maxContains: 2, ...NONE_LEFT },
    [[], true],
    [[1, 1], true],
    [[1, 1, 1], false],
    [[2], false],
  ],
  ["contains that matches any item", { contains: true, ...NONE_LEFT }, [[1, "x"], true], [[], false]],
  [
    "evaluated properties, which are not items",
    { allOf: [{ additionalProperties: true }, { contains: { const: 1 } }], ...NONE_LEFT },
    [[1], true],
    [[1, 2], false],
  ],
  [
    "a nested array that is shorter than the previous one",
    { items: { contains: { const: 1 } } },
    [[[1]], true],
    [[[1], []], false],
    [[[1], [2]], false],
  ],
  [
    "an array that is shorter than prefixItems",
    { prefixItems: [{ type: "integer" }, { type: "integer" }], contains: { const: 1 }, uniqueItems: true },
    [[1], true],
    [[2], false],
    [[], false],
  ],
];

describe("validation agrees with the specification:", () => {
  test.each(CASES.map(([title, schema, ...values]) => ({ title, schema, values })))(
    "$title",
    ({ schema, values }) => {
      const validate = compileSchema(schema);
      for (const [value, isValid] of values) {
        expect([value, validate(value, newWork()).length === 0]).toEqual([value, isValid]);
        expect([value, fitsByTheBook(schema, value)]).toEqual([value, isValid]);
      }
    },
  );
});
