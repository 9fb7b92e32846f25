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

describe("a change is compatible:", () => {
  test.each<[string, JsonSchema, JsonSchema]>([
    ["nothing changes", object({ a: text }, ["a"]), object({ a: text }, ["a"])],
    ["a property is new", object({ a: text }), object({ a: text, b: number }, ["b"])],
    [
      "a property is new in an object that allowed no others",
      object({}, [], { additionalProperties: false }),
      object({ a: text }),
    ],
    ["a property becomes required", object({ a: text }), object({ a: text }, ["a"])],
    [
      "a type becomes narrower",
      object({ a: nullable, n: number }),
      object({ a: text, n: { type: "integer" } }),
    ],
    ["an enumeration becomes shorter", object({ a: { enum: ["x", "y"] } }), object({ a: { const: "x" } })],
    ["a string becomes an enumeration of strings", object({ a: text }), object({ a: { enum: ["x"] } })],
    ["a property of any type becomes a string", object({ a: {} }), object({ a: text })],
    [
      "bounds and annotations change",
      object({ a: { ...text, maxLength: 5 } }),
      object({ a: { ...text, title: "A" } }),
    ],
    [
      "a definition is inlined",
      { $ref: "#/$defs/a", $defs: { a: object({ x: text }) } },
      object({ x: text }),
    ],
    [
      "an object is split into two parts of an allOf",
      object({ a: text, b: number }, ["a"]),
      { allOf: [object({ a: text }, ["a"]), object({ b: number })] },
    ],
    ["alternatives become a list of types", { anyOf: [text, { type: "null" }] }, nullable],
    ["a list of types becomes alternatives", nullable, { oneOf: [text, { type: "null" }] }],
    ["an alternative is removed", { anyOf: [text, number] }, number],
    ["a recursive schema becomes narrower", tree(text), tree({ const: "x" })],
    [
      "the values of a map become narrower",
      object({}, [], { additionalProperties: nullable }),
      object({ a: text }, [], { additionalProperties: text }),
    ],
  ])("%s", (_title, before, after) => {
    expect(schemaBreaks(before, after)).toEqual([]);
  });

  test.each(EVENT_TYPES.map((type) => [type.code, type.schema] as const))(
    "the schema of %s does not change",
    (_code, schema) => {
      expect(schemaBreaks(schema, structuredClone(schema))).toEqual([]);
    },
  );
});

describe("a change breaks receivers:", () => {
  test.each<[string, JsonSchema, JsonSchema, string[]]>([
    ["a property is removed", object({ a: text, "b/c": text }), object({ a: text }), ["/b~1c was removed"]],
    ["a required property is removed", object({ a: text }, ["a"]), object({}), ["/a was removed"]],
    ["a property becomes forbidden", object({ a: text }), object({ a: false }), ["/a was removed"]],
    [
      "a property becomes optional",
      object({ a: text }, ["a"]),
      object({ a: text }),
      ["/a is no longer required"],
    ],
    [
      "a required property without a schema becomes optional",
      { required: ["a"] },
      {},
      ["/a is no longer required"],
    ],
    [
      "a type becomes wider",
      object({ a: text }),
      object({ a: nullable }),
      ["/a may now be null (was string)"],
    ],
    [
      "an integer becomes any number",
      { type: "integer" },
      number,
      ["the snapshot may now be number (was integer)"],
    ],
    ["a type is removed", object({ a: text }), object({ a: {} }), ["/a may now have any type (was string)"]],
    [
      "an enumeration becomes longer",
      { enum: ["x"] },
      { enum: ["x", "y"] },
      ['the snapshot may now be "y", which was not in its enumeration'],
    ],
    [
      "an enumeration is removed",
      { enum: ["x"] },
      text,
      ["the snapshot may now have any value (was an enumeration)"],
    ],
    [
      "the items of a list become wider",
      object({ l: { type: "array", items: object({ p: text }) } }),
      object({ l: { type: "array", items: object({ p: nullable }) } }),
      ["/l/*/p may now be null (was string)"],
    ],
    [
      "the type of a prefix item changes",
      { prefixItems: [text] },
      { prefixItems: [number] },
      ["/0 may now be number (was string)"],
    ],
    [
      "a map gets a property of another type",
      object({}, [], { additionalProperties: text }),
      object({ a: number }, [], { additionalProperties: text }),
      ["/a may now be number (was string)"],
    ],
    [
      "an alternative is new",
      { anyOf: [text, number] },
      { anyOf: [text, number, { type: "null" }] },
      ["the snapshot may now have a value that matches none of its previous alternatives"],
    ],
    [
      "the target of a reference becomes wider",
      { $ref: "#/$defs/a", $defs: { a: text } },
      { $ref: "#/$defs/a", $defs: { a: nullable } },
      ["the snapshot may now be null (was string)"],
    ],
    [
      "a recursive schema becomes wider",
      tree(text),
      tree(nullable),
      ["/label may now be null (was string)", "/children/*/label may now be null (was string)"],
    ],
  ])("%s", (_title, before, after, breaks) => {
    expect(schemaBreaks(before, after)).toEqual(breaks);
  });
});

describe("a comparison that would take too long counts as a break:", () => {
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
    ["alternatives that never match", from((anyOf) => ({ anyOf: many(anyOf) }), false)],
    [
      "alternatives of alternatives inside lists",
      from((items) => ({ anyOf: [{ items }, { prefixItems: many(items) }] }), text),
    ],
    ["a cycle of anyOf", { anyOf: many({ $ref: "#" }) }],
    ["a cycle of allOf", { allOf: many({ $ref: "#" }) }],
  ])("%s", (_title, schema) => {
    // Without a bound, it would never end.
    expect(schemaBreaks(schema, { ...(schema as object), title: "another" })).toEqual([
      expect.stringMatching(/too many (nested )?alternatives/),
    ]);
  });

  test("a comparison of large enumerations takes linear time", () => {
    const numbers = Array.from({ length: 20_000 }, (_item, i) => i);
    expect(schemaBreaks({ enum: numbers }, { enum: [...numbers].reverse() })).toEqual([]);
  });

  const names = Array.from({ length: 6_000 }, (_item, i) => `n${i}`);
  const alternatives = (part: JsonSchema) => ({
    ...{ anyOf: Array.from({ length: 60 }, (_item, i) => ({ properties: { kind: { const: i } } })) },
    allOf: [part],
  });
  test.each<[string, JsonSchema]>([
    ["required names", { required: names }],
    ["first items", { prefixItems: names.slice(0, 490).map(() => ({ type: "string" })) }],
    ["properties", { properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])) }],
    ["allowed values", { properties: { a: true }, enum: names }],
  ])(
    "a comparison of many %s in many alternatives ends, and says that it has not compared them",
    (_what, part) => {
      const [before, after] = [alternatives(part), { ...alternatives(part), title: "other" }];
      expect(schemaBreaks(before, after)).toEqual([
        "the schemas have too many nested alternatives to compare",
      ]);
    },
  );
});
