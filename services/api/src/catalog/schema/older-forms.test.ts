import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { readSchema } from "./read-schema.ts";

const of = (property: JsonObject): JsonObject => ({ type: "object", properties: { a: property } });

describe("a schema of an earlier draft, or of OpenAPI", () => {
  test.each<[string, JsonObject, RegExp]>([
    [
      "nullable",
      of({ type: "string", nullable: true }),
      /\/properties\/a\/nullable .*type: \["string", "null"\]/,
    ],
    [
      "a discriminator",
      of({ discriminator: { propertyName: "kind" } }),
      /discriminator .*oneOf, with a const/,
    ],
    ["items as a list", of({ items: [{ type: "string" }] }), /\/properties\/a\/items .*prefixItems/],
    ["additionalItems", of({ additionalItems: false }), /additionalItems .*prefixItems/],
    ["an exclusive bound that is a flag", of({ minimum: 1, exclusiveMinimum: true }), /instead of minimum/],
    ["dependencies", of({ dependencies: { a: ["b"] } }), /dependentRequired/],
    ["an id", { id: "https://a.example/b" }, /\/id .*write \$id/],
    ["an anchor", of({ $anchor: "a" }), /\$anchor .*#\/\$defs\/address/],
    ["another dialect", { $schema: "http://json-schema.org/draft-04/schema#" }, /2020-12.*or draft-07/],
    ["a keyword that nobody knows", of({ lenght: 3 }), /rename it to x-/],
  ])("that has %s is refused with what to write instead", (_what, schema, words) => {
    expect(() => readSchema(schema)).toThrow(words);
  });

  test.each<[string, JsonObject]>([
    ["an example", of({ type: "string", example: "blue" })],
    ["documents elsewhere", of({ externalDocs: { url: "https://a.example/" }, xml: { name: "a" } })],
    ["the dialect of draft-07", { $schema: "http://json-schema.org/draft-07/schema#", ...of({}) }],
    ["the dialect of 2019-09", { $schema: "https://json-schema.org/draft/2019-09/schema", ...of({}) }],
    ["definitions", { definitions: { b: { type: "string" } }, ...of({ $ref: "#/definitions/b" }) }],
    ["the names of older keywords as properties", { properties: { nullable: {}, id: {}, items: {} } }],
  ])("that has %s is accepted", (_what, schema) => {
    expect(() => readSchema(schema)).not.toThrow();
  });
});
