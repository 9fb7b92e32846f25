import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { EVENT_DATA_DEPTH_MAX, Refusal } from "@posthaste/domain";
import { describe, expect, test } from "vitest";
import { structJson } from "./struct-json.ts";

/** Returns an object nested to the given depth; the innermost level holds the value. */
const nested = (levels: number, value: JsonValue): JsonObject => {
  let object: JsonObject = { a: value };
  for (let i = 1; i < levels; i++) object = { a: object };
  return object;
};

test("values that JSON and doubles hold exactly are passed on", () => {
  const struct = {
    safe: [2 ** 53 - 1, -(2 ** 53 - 1), 0.1, -1.5e-300, 1.5],
    text: "é🚀\u0000",
    none: null,
    yes: true,
  };
  expect(JSON.parse(structJson(struct, "data"))).toEqual(struct);
  expect(structJson(nested(EVENT_DATA_DEPTH_MAX, 1), "data")).toContain('{"a":1}');
});

describe("a value that would arrive changed is refused, naming its path:", () => {
  test.each<[string, JsonObject, string, RegExp]>([
    ["a whole number past 2^53", { a: { ids: [1, 2 ** 53] } }, "data.a.ids[1]", /data_json/],
    ["a negative whole number past -2^53", { n: -(2 ** 53) }, "data.n", /2\^53/],
    ["an infinite number", { a: { b: [Number.POSITIVE_INFINITY] } }, "data.a.b[0]", /finite/],
    ["a negative infinite number", { n: Number.NEGATIVE_INFINITY }, "data.n", /finite/],
    ["NaN", { n: Number.NaN }, "data.n", /finite/],
    ["half a surrogate pair in a text", { list: ["ok", "\ud800"] }, "data.list[1]", /Unicode/],
    ["half a surrogate pair in a key", { "\udc00": 1 }, "data", /Unicode/],
    ["one level too many", nested(EVENT_DATA_DEPTH_MAX + 1, 1), `data${".a".repeat(38)}…`, /nests deeper/],
    ["a long path, shortened", { ["k".repeat(200)]: Number.NaN }, `data.${"k".repeat(75)}…`, /finite/],
  ])("%s", (_title, struct, field, message) => {
    const error = (() => {
      try {
        return structJson(struct, "data");
      } catch (reason) {
        return reason;
      }
    })();
    expect(error).toBeInstanceOf(Refusal);
    expect(error).toMatchObject({ code: "invalid", field, message: expect.stringMatching(message) });
  });
});
