import { countComputing } from "@posthaste/testkit";
import { describe, expect, test } from "vitest";
import { EVENT_TYPES } from "./catalog/index.ts";
import type { JsonSchema } from "./schema-alternatives.ts";
import { schemaBreaks } from "./schema-compatibility.ts";

const object = (properties: Record<string, unknown>, required: string[] = [], more = {}) => ({
  type: "object",
  properties,
  required,
  ...more,
});
const text = { type: "string" };
const number = { type: "number" };
const nullable = { type: ["string", "null"] };
const tree = (label: object) =>
  object({ label, children: { type: "array", items: { $ref: "#" } } }, ["label"]);

describe("receivers can read the new version where", () => {
  test.each<[string, JsonSchema, JsonSchema]>([
    ["nothing changed", object({ a: text }, ["a"]), object({ a: text }, ["a"])],
    ["a property is new", object({ a: text }), object({ a: text, b: number }, ["b"])],
    [
      "a property is new where none else was allowed",
      object({}, [], { additionalProperties: false }),
      object({ a: text }),
    ],
    ["a property is now required", object({ a: text }), object({ a: text }, ["a"])],
    ["a type is narrower", object({ a: nullable, n: number }), object({ a: text, n: { type: "integer" } })],
    ["an enumeration is shorter", object({ a: { enum: ["x", "y"] } }), object({ a: { const: "x" } })],
    ["a text became an enumeration of texts", object({ a: text }), object({ a: { enum: ["x"] } })],
    ["anything became something", object({ a: {} }), object({ a: text })],
    [
      "bounds and words are other ones",
      object({ a: { ...text, maxLength: 5 } }),
      object({ a: { ...text, title: "A" } }),
    ],
    ["a definition was moved", { $ref: "#/$defs/a", $defs: { a: object({ x: text }) } }, object({ x: text })],
    [
      "an object was split",
      object({ a: text, b: number }, ["a"]),
      { allOf: [object({ a: text }, ["a"]), object({ b: number })] },
    ],
    ["alternatives became a list of types", { anyOf: [text, { type: "null" }] }, nullable],
    ["a list of types became alternatives", nullable, { oneOf: [text, { type: "null" }] }],
    ["an alternative is gone", { anyOf: [text, number] }, number],
    ["a schema contains itself", tree(text), tree({ const: "x" })],
    [
      "a map became narrower",
      object({}, [], { additionalProperties: nullable }),
      object({ a: text }, [], { additionalProperties: text }),
    ],
  ])("%s", (_title, before, after) => {
    expect(schemaBreaks(before, after)).toEqual([]);
  });

  test.each(EVENT_TYPES.map((type) => [type.code, type.schema] as const))(
    "it is the same, as for %s",
    (_code, schema) => {
      expect(schemaBreaks(schema, structuredClone(schema))).toEqual([]);
    },
  );
});

describe("receivers cannot rely on what they knew where", () => {
  test.each<[string, JsonSchema, JsonSchema, string[]]>([
    ["a property is gone", object({ a: text, "b/c": text }), object({ a: text }), ["/b~1c is gone"]],
    ["a required property is gone", object({ a: text }, ["a"]), object({}), ["/a is gone"]],
    ["a property is forbidden", object({ a: text }), object({ a: false }), ["/a is gone"]],
    [
      "a property may be missing",
      object({ a: text }, ["a"]),
      object({ a: text }),
      ["/a is no longer required"],
    ],
    ["what is only required may be missing", { required: ["a"] }, {}, ["/a is no longer required"]],
    ["a type is wider", object({ a: text }), object({ a: nullable }), ["/a may be null, and was string"]],
    [
      "a whole number is any number",
      { type: "integer" },
      number,
      ["the snapshot may be number, and was integer"],
    ],
    ["a type is gone", object({ a: text }), object({ a: {} }), ["/a may be of any type, and was string"]],
    [
      "an enumeration is longer",
      { enum: ["x"] },
      { enum: ["x", "y"] },
      ['the snapshot may be "y", which was not in its enumeration'],
    ],
    [
      "an enumeration is gone",
      { enum: ["x"] },
      text,
      ["the snapshot may have any value, and was one of an enumeration"],
    ],
    [
      "an item is wider",
      object({ l: { type: "array", items: object({ p: text }) } }),
      object({ l: { type: "array", items: object({ p: nullable }) } }),
      ["/l/*/p may be null, and was string"],
    ],
    [
      "one place of a list is wider",
      { prefixItems: [text] },
      { prefixItems: [number] },
      ["/0 may be number, and was string"],
    ],
    [
      "a map has other values",
      object({}, [], { additionalProperties: text }),
      object({ a: number }, [], { additionalProperties: text }),
      ["/a may be number, and was string"],
    ],
    [
      "an alternative is new",
      { anyOf: [text, number] },
      { anyOf: [text, number, { type: "null" }] },
      ["the snapshot may be something that fits none of its alternatives of before"],
    ],
    [
      "what is behind a reference is wider",
      { $ref: "#/$defs/a", $defs: { a: text } },
      { $ref: "#/$defs/a", $defs: { a: nullable } },
      ["the snapshot may be null, and was string"],
    ],
    [
      "a schema that contains itself is wider",
      tree(text),
      tree(nullable),
      ["/label may be null, and was string", "/children/*/label may be null, and was string"],
    ],
  ])("%s", (_title, before, after, breaks) => {
    expect(schemaBreaks(before, after)).toEqual(breaks);
  });
});

describe("what would take forever to compare counts as a break:", () => {
  const $defs = (one: (next: object) => object) =>
    Object.fromEntries(
      Array.from({ length: 40 }, (_item, i) => [`a${i}`, one({ $ref: `#/$defs/a${i + 1}` })]),
    );
  const from = (one: (next: object) => object, a40: JsonSchema) => ({
    $ref: "#/$defs/a0",
    $defs: { ...$defs(one), a40 },
  });
  const many = (next: object) => Array.from({ length: 50 }, () => next);
  test.each<[string, JsonSchema]>([
    ["properties that multiply", from((next) => object({ x: next, y: next }), text)],
    ["alternatives that multiply", from((anyOf) => ({ anyOf: many(anyOf) }), text)],
    ["alternatives that never fit", from((anyOf) => ({ anyOf: many(anyOf) }), false)],
    [
      "alternatives of alternatives inside lists",
      from((items) => ({ anyOf: [{ items }, { prefixItems: many(items) }] }), text),
    ],
    ["a circle of alternatives", { anyOf: many({ $ref: "#" }) }],
    ["a circle of parts", { allOf: many({ $ref: "#" }) }],
  ])("%s", (_title, schema) => {
    const computedMs = countComputing();
    expect(schemaBreaks(schema, { ...(schema as object), title: "another" })).toEqual([
      expect.stringMatching(/too many alternatives/),
    ]);
    // Half a second on a busy machine, and for ever where nothing bounds it.
    expect(computedMs()).toBeLessThan(5_000);
  });

  test("large enumerations take no longer than they are", () => {
    const numbers = Array.from({ length: 20_000 }, (_item, i) => i);
    expect(schemaBreaks({ enum: numbers }, { enum: [...numbers].reverse() })).toEqual([]);
  });
});
