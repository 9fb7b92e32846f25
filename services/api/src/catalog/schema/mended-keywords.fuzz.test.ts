import type { JsonObject } from "@bufbuild/protobuf";
import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fitsByTheBook } from "../../../test/json-schema-by-the-book.ts";
import { compileSchema } from "./compile-schema.ts";
import { newWork } from "./work.ts";

const name = fc.constantFrom("a", "ab", "b", "constructor");
const leaf: fc.Arbitrary<JsonObject | boolean> = fc.oneof(
  fc.boolean(),
  fc.constantFrom<JsonObject[]>(
    {},
    { type: "integer" },
    { type: "object" },
    { type: "array" },
    { required: ["a"] },
    { minLength: 1 },
  ),
);

/** Schemas mostly of keywords that evaluate and keywords that read it; every second schema has both. */
function schemas(depth: number): fc.Arbitrary<JsonObject | boolean> {
  if (depth === 0) return leaf;
  const inner = fc.oneof(schemas(depth - 1), leaf);
  const some = fc.array(inner, { minLength: 1, maxLength: 2 });
  const named = fc.dictionary(name, inner, { minKeys: 1, maxKeys: 2, noNullPrototype: true });
  const each = (keywords: readonly string[], held: fc.Arbitrary<unknown>) =>
    keywords.map((keyword) => held.map((holds) => ({ [keyword]: holds })));
  const one = fc.oneof(
    ...each(["properties", "dependentSchemas"], named),
    ...each(["patternProperties"], fc.record({ "^a": inner })),
    ...each(["additionalProperties", "items", "contains", "not"], inner),
    ...each(["prefixItems", "allOf", "anyOf", "oneOf"], some),
    ...each(["if"], inner),
    fc.tuple(inner, inner, inner).map(([held, ...clauses]) => ({
      if: held,
      ...Object.fromEntries(["then", "else"].map((keyword, i) => [keyword, clauses[i] ?? true])),
    })),
    ...each(["minContains", "maxContains"], fc.constantFrom(0, 1, 2)),
    ...each(["$ref"], fc.constantFrom("#/$defs/x", "#/$defs/y")),
  );
  const unevaluated = fc.oneof(
    fc.constant({}),
    ...each(["unevaluatedProperties", "unevaluatedItems"], fc.oneof(fc.constant(false), inner)),
  );
  return fc
    .tuple(fc.array(one, { minLength: 1, maxLength: 2 }), unevaluated)
    .map(([parts, last]) => Object.assign({}, ...parts, last) as JsonObject);
}

const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(0, "", "a"),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}))["value"];

/** Definitions refer only to later definitions, so that no schema is circular. */
const withDefinitions = fc.tuple(schemas(3), schemas(1), leaf).map(([schema, x, y]) => ({
  ...(typeof schema === "boolean" ? { allOf: [schema] } : schema),
  $defs: { x: withoutItself(x), y },
}));

function withoutItself(schema: JsonObject | boolean): JsonObject | boolean {
  return JSON.parse(JSON.stringify(schema).replaceAll("#/$defs/x", "#/$defs/y")) as JsonObject | boolean;
}

test("unevaluated keywords agree with the specification for any value and for values in turn", () => {
  fc.assert(
    fc.property(withDefinitions, fc.array(values, { minLength: 1, maxLength: 4 }), (schema, snapshots) => {
      const validate = compileSchema(schema);
      for (const snapshot of snapshots) {
        expect(validate(snapshot, newWork()).length === 0).toBe(fitsByTheBook(schema, snapshot));
      }
    }),
    fuzzing(),
  );
});
