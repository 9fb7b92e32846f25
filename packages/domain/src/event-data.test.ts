import { countComputing } from "@posthaste/testkit";
import { describe, expect, test } from "vitest";
import { canonicalEventData, parseEventData } from "./event-data.ts";

const canonical = (json: string) => canonicalEventData(parseEventData(json, "data_json").json);

describe("the canonical form", () => {
  test.each([
    ['{"a":1,"b":2}', '{ "b" : 2, "a" : 1 }'],
    ['{"a":1.10}', '{"a":1.1}'],
    ['{"a":11e-1}', '{"a":1.1}'],
    ['{"a":100}', '{"a":1e2}'],
    ['{"a":1000e+0002}', '{"a":0.1E6}'],
    ['{"a":0e99999999999999999999}', '{"a":0}'],
    ['{"a":0}', '{"a":-0.0e5}'],
    ['{"a":"é"}', String.raw`{"a":"\u00e9"}`],
    ['{"a":"/"}', String.raw`{"a":"\/"}`],
    ['{"a":[{"x":1,"y":2}]}', '{"a":[{"y":2,"x":1}]}'],
  ])("%s and %s are equal", (a, b) => {
    expect(canonical(a)).toBe(canonical(b));
  });

  test.each([
    ['{"a":12345678901234567890}', '{"a":12345678901234567891}'],
    ['{"a":0.1}', '{"a":0.10000000000000001}'],
    ['{"a":1}', '{"a":"1"}'],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ['{"a":null}', "{}"],
    ['{"a":1}', '{"a":-1}'],
    ['{"a":1e999}', '{"a":1e998}'],
    ['{"__proto__":1}', "{}"],
    ['{"__proto__":{"a":1}}', '{"__proto__":{"a":2}}'],
  ])("%s and %s differ", (a, b) => {
    expect(canonical(a)).not.toBe(canonical(b));
  });
});

test("a number with 500,000 zeros takes linear time", () => {
  const computedMs = countComputing();
  canonical(`{"a":1.${"01".repeat(250_000)}}`);
  const other = computedMs();
  expect(canonical(`{"a":1.${"0".repeat(500_000)}1}`)).toHaveLength(500_002 + '{"a":e-500001}'.length);
  // An earlier version took quadratic time, a thousand times as long.
  expect(computedMs() - other).toBeLessThan(100 * (other + 10));
});

test("the text stays unchanged", () => {
  const json = String.raw`{ "n" : 1.10, "u":"\u00e9" }`;
  expect(parseEventData(json, "data_json").json).toBe(json);
});

test.each([
  ["[]", /not a JSON object/],
  ["1", /not a JSON object/],
  ['"x"', /not a JSON object/],
  ["null", /not a JSON object/],
  ["", /not valid JSON/],
  ["{", /not valid JSON/],
  ["{'a':1}", /not valid JSON/],
  ['{"a":1}x', /not valid JSON/],
  ['{"a":01}', /not valid JSON/],
  ['{"a":NaN}', /not valid JSON/],
  ['{"a":1,"a":2}', /not valid JSON: Duplicate key/],
  [String.raw`{"b":[{"a":":","\":\\":2,"\u0061":3}]}`, /not valid JSON: Duplicate key/],
  ["[".repeat(1_000_000), /nests deeper/],
  [`{"a":${"[".repeat(64)}${"]".repeat(64)}}`, /nests deeper/],
])("%.20s is refused", (json, message) => {
  expect(() => parseEventData(json, "data_json")).toThrow(message);
  expect(() => parseEventData(json, "data_json")).toThrow(
    expect.objectContaining({ code: "invalid", field: "data_json" }),
  );
});

test("a duplicate key with the same value is accepted, and so are colons in keys and strings", () => {
  expect(parseEventData('{"a":1,"a":1}', "data_json").value).toEqual({ a: 1 });
  const json = String.raw`{":":":\\","\":":[":",{"__proto__":":"}],"a":{}}`;
  expect(parseEventData(json, "data_json").value).toEqual(JSON.parse(json));
});

test("64 levels are accepted, and brackets inside a string do not count", () => {
  expect(() => canonical(`{"a":${"[".repeat(63)}${"]".repeat(63)}}`)).not.toThrow();
  expect(() => canonical(`{"a":"${"[".repeat(500)}\\"["}`)).not.toThrow();
});
