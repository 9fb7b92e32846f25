import { describe, expect, test } from "vitest";
import { formatted, lineOf, problemOfJson } from "./json-text.ts";

describe("a text that is no JSON object is named with its place:", () => {
  test.each([
    ['{\n  "a": 1,\n  b: 2\n}', "Line 3, column 3: this is not JSON."],
    ['{"a": 1 "b": 2}', "Line 1, column 9: a comma or a closing bracket is missing."],
    ['{"a" 1}', "Line 1, column 6: a colon is missing."],
    ['{"a": 1', "Line 1, column 8: a closing } is missing."],
    ['{"a": }', "Line 1, column 7: a value is missing."],
    ['{"a": [1, 2}', "Line 1, column 12: a comma or a closing bracket is missing."],
    ['{"a": 1,\n}', "Line 2, column 1: a name in double quotes is missing."],
    ['{"a": 1} // more', "Line 1, column 10: JSON has no comments."],
    ['{"a": 1} {}', "Line 1, column 10: nothing may follow the object."],
    ["", "Line 1, column 1: a value is missing."],
    ["[1]", "Write a JSON object, such as {}."],
  ])("%j", (text, problem) => {
    expect(problemOfJson(text)?.text).toBe(problem);
  });

  test("what is an object has no problem", () => {
    expect(problemOfJson('{"a": [1, 2.50, "x\\u00e9", null, {"b": true}]}')).toBeUndefined();
    expect(problemOfJson(" {} ")).toBeUndefined();
  });
});

test("a pointer leads to the line of its name, or of the nearest that is there", () => {
  const text =
    '{\n  "properties": {\n    "a/b":\n      {"type": "x"},\n    "list": [\n      1,\n      2\n    ]\n  }\n}';
  expect(lineOf(text, "")).toBe(1);
  expect(lineOf(text, "/properties/a~1b")).toBe(3);
  expect(lineOf(text, "/properties/a~1b/type")).toBe(4);
  expect(lineOf(text, "/properties/list/1")).toBe(7);
  expect(lineOf(text, "/properties/none/type")).toBe(2);
});

test("a text is formatted without a change to its numbers", () => {
  expect(formatted('{"a":12345678901234567890.10,"b":[]}')).toBe(
    '{\n  "a": 12345678901234567890.10,\n  "b": []\n}',
  );
});
