import type { JsonObject } from "@bufbuild/protobuf";
import { Refusal } from "@posthaste/domain";
import { fuzzing } from "@posthaste/testkit";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fitsByTheBook } from "../../../test/json-schema-by-the-book.ts";
import { compileSchema } from "./compile-schema.ts";
import { newWork, WorkExceeded } from "./work.ts";

const KEYWORDS = [
  ...["type", "enum", "const", "required", "properties", "items", "allOf", "anyOf", "oneOf", "not", "if"],
  ...["$ref", "$id", "$schema", "$defs", "$anchor", "pattern", "patternProperties", "format", "uniqueItems"],
  ...["minimum", "multipleOf", "dependentRequired", "unevaluatedProperties", "propertyNames", "contains"],
];
/** The schemas are known to be valid, so Ajv need not load the meta-schema, which takes 10 ms each time. */
const PLAIN = {
  strict: false,
  ownProperties: true,
  meta: false,
  validateSchema: false,
  logger: false,
} as const;
const name = fc.constantFrom("a", "b", "constructor", "0");
const leaf = fc.oneof(
  fc.constantFrom("#", "#/properties/a", "string", "object", "^(a+)+$", "(", "date", "__proto__"),
  fc.jsonValue({ maxDepth: 1 }),
);

/** Keywords with valid and invalid values. */
const wild = fc.letrec((tie) => ({
  schema: fc.dictionary(fc.oneof(fc.constantFrom(...KEYWORDS), name), tie("value"), { maxKeys: 4 }),
  value: fc.oneof(
    { depthSize: "small" },
    leaf,
    tie("schema"),
    fc.array(tie("schema"), { maxLength: 3 }),
    fc.dictionary(name, tie("schema"), { maxKeys: 3 }),
  ),
}));

test("any schema is refused or compiles, and checking by it ends", () => {
  fc.assert(
    fc.property(
      wild["schema"] as fc.Arbitrary<JsonObject>,
      fc.jsonValue({ maxDepth: 3 }),
      (schema, snapshot) => {
        try {
          compileSchema(JSON.parse(JSON.stringify(schema)) as JsonObject)(snapshot, newWork());
        } catch (error) {
          if (error instanceof WorkExceeded) return;
          expect(error).toBeInstanceOf(Refusal);
          expect(error).toMatchObject({ code: "invalid", field: "schema" });
        }
      },
    ),
    fuzzing(),
  );
});

/**
 * A valid schema with up to three keywords, over few names and values, so that snapshots often match them.
 */
function valid(depth: number): fc.Arbitrary<JsonObject | boolean> {
  if (depth === 0) return fc.oneof(fc.boolean(), fc.constantFrom({ type: "integer" }, { minLength: 1 }));
  const inner = valid(depth - 1);
  const some = fc.array(inner, { minLength: 1, maxLength: 2 });
  const keywords = {
    type: fc.constantFrom("string", "integer", "object", "array", ["string", "null"]),
    const: fc.constantFrom(1, "a", null),
    enum: fc.constantFrom([1, 2], ["a", {}], [[]]),
    minimum: fc.constantFrom(0, 1.5),
    maxLength: fc.constantFrom(0, 1),
    pattern: fc.constantFrom("^a", "b$", "^[0-9]+$", "\\u0061"),
    required: fc.constantFrom(["a"], ["a", "b"], ["constructor"]),
    minProperties: fc.constant(1),
    uniqueItems: fc.boolean(),
    properties: fc.dictionary(name, inner, { maxKeys: 2, noNullPrototype: true }),
    patternProperties: fc.record({ "^a": inner }),
    propertyNames: fc.record({ maxLength: fc.constantFrom(1, 3) }),
    ...Object.fromEntries(SCHEMA_KEYWORDS.map((keyword) => [keyword, inner])),
    ...Object.fromEntries(["prefixItems", "allOf", "anyOf", "oneOf"].map((keyword) => [keyword, some])),
    dependentSchemas: fc.dictionary(name, inner, { maxKeys: 2, noNullPrototype: true }),
    minContains: fc.constantFrom(0, 2),
    maxContains: fc.constantFrom(1, 2),
    $ref: fc.constantFrom("#/$defs/x", "#/$defs/y~1z", "#/$defs/open"),
  };
  const one = fc.oneof(
    ...Object.entries(keywords).map(([keyword, held]) =>
      (held as fc.Arbitrary<unknown>).map((holds) => ({ [keyword]: holds })),
    ),
  );
  return fc.array(one, { maxLength: 3 }).map((parts) => Object.assign({}, ...parts) as JsonObject);
}
const SCHEMA_KEYWORDS = [
  ...["additionalProperties", "unevaluatedProperties", "items", "contains", "not", "if", "then", "else"],
  "unevaluatedItems",
];
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(0, 1, 1.5, "", "a", "ab", null, true),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}))["value"];

test("counting a schema's steps does not change what it accepts", () => {
  const definition = fc.record({ type: fc.constantFrom("string", "integer", "array") });
  // Without references, so that no schema is circular.
  const open = valid(1).filter((schema) => typeof schema === "object" && !("$ref" in schema));
  const schemas = fc.tuple(valid(3), definition, definition, open).map(([schema, x, y, z]) => ({
    ...(typeof schema === "boolean" ? { allOf: [schema] } : schema),
    $defs: { x, "y/z": y, open: z },
  }));
  fc.assert(
    fc.property(schemas, value, (schema, snapshot) => {
      const fits = compileSchema(schema)(snapshot, newWork()).length === 0;
      expect(fits).toBe(fitsByTheBook(schema, snapshot));
      // Ajv has bugs in these keywords and in tracking what is evaluated; see mendKeywords.
      if (/unevaluated|prefixItems|contains/.test(JSON.stringify(schema))) return;
      const known = new Ajv2020(PLAIN);
      known.opts.unevaluated = false;
      expect(fits).toBe(known.compile(schema)(snapshot));
    }),
    fuzzing(),
  );
});
