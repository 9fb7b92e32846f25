import { describe, expect, test } from "vitest";
import { parseEventData } from "./event-data.ts";
import { readKeyValues, requireKeys } from "./key-values.ts";

const keysAt = (...pointers: string[]) => pointers.map((pointer) => ({ pointer, sensitive: false }));
const read = (json: string, ...pointers: string[]) =>
  readKeyValues(parseEventData(json, "data_json").json, keysAt(...pointers)).map(({ value }) => value);

describe("the values at a type's keys", () => {
  test.each<[string, string, string, string[]]>([
    ["a string", '{"InvoiceNumber":"INV-7"}', "/InvoiceNumber", ["INV-7"]],
    ["a number", '{"CompanyID":4711}', "/CompanyID", ["4711"]],
    ["a number as it is written", '{"a":12345678901234567890.10}', "/a", ["12345678901234567890.10"]],
    ["a negative number with an exponent", '{"a": -1.50E+2 }', "/a", ["-1.50E+2"]],
    ["a string within an object", '{"a":{"b":{"c":"x"}}}', "/a/b/c", ["x"]],
    ["a string within a list", '{"a":[{"b":1},{"b":"x"}]}', "/a/1/b", ["x"]],
    ["a string after what looks like its name", '{"x":"\\"a\\":","y":["a"],"a":"b"}', "/a", ["b"]],
    ["escapes, decoded", '{"a":"\\u00e9\\"\\\\"}', "/a", ['é"\\']],
    ["a member whose name is escaped", '{"\\u0061":"x"}', "/a", ["x"]],
    ["a member whose name has a slash and a tilde", '{"a/b~":"x"}', "/a~1b~0", ["x"]],
    ["a member that is named twice with one value", '{"a":"x","a":"x"}', "/a", ["x"]],
    ["white space anywhere", '{ "b" :\n[ 1 , 2 ] ,\t"a" : "x" }', "/a", ["x"]],
    ["a member called like one of an object's own", '{"constructor":"x"}', "/constructor", ["x"]],
  ])("include %s", (_what, json, pointer, values) => {
    expect(read(json, pointer)).toEqual(values);
  });

  test.each<[string, string, string]>([
    ["a missing member", '{"b":1}', "/a"],
    ["a member of a string", '{"a":"bc"}', "/a/0"],
    ["true", '{"a":true}', "/a"],
    ["null", '{"a":null}', "/a"],
    ["an object", '{"a":{"b":1}}', "/a"],
    ["a list", '{"a":["b"]}', "/a"],
    ["the length of a list", '{"a":["b"]}', "/a/length"],
    ["an item that the list has not", '{"a":["b"]}', "/a/1"],
    ["an item by another spelling of its number", '{"a":["b"]}', "/a/00"],
    ["an empty string", '{"a":""}', "/a"],
    ["half of a surrogate pair", '{"a":"\\ud800"}', "/a"],
    ["what an object inherits", '{"b":1}', "/toString"],
  ])("leave out %s", (_what, json, pointer) => {
    expect(read(json, pointer)).toEqual([]);
  });

  test("have 256 bytes at most", () => {
    const [longest, tooLong] = ["é".repeat(128), `${"é".repeat(128)}x`];
    expect(read(JSON.stringify({ a: longest, b: tooLong }), "/a", "/b")).toEqual([longest]);
    const digits = "1".repeat(256);
    expect(read(`{"a":${digits},"b":${digits}1}`, "/a", "/b")).toEqual([digits]);
  });

  test("come with their pointer, and whether their key is sensitive", () => {
    const keys = [
      { pointer: "/a", sensitive: true },
      { pointer: "/b", sensitive: false },
    ];
    expect(readKeyValues('{"b":"x","a":"x"}', keys)).toEqual([
      { value: "x", pointer: "/b", sensitive: false },
      { value: "x", pointer: "/a", sensitive: true },
    ]);
  });

  test("are found when one key leads through another's value", () => {
    expect(read('{"a":{"b":"x"},"c":1}', "/a", "/a/b", "/c")).toEqual(["x", "1"]);
  });

  test("are found without reading on after the last of them", () => {
    expect(readKeyValues('{"a":{"b":"x","c": not read', keysAt("/a/b"))).toEqual([
      { value: "x", pointer: "/a/b", sensitive: false },
    ]);
  });
});

describe("keys are refused that", () => {
  test.each<[string, string[], string]>([
    ["are no JSON Pointers", ["/a", "InvoiceNumber"], "keys[1].pointer is not a JSON Pointer"],
    ["have a wrong escape", ["/a~2"], "keys[0].pointer is not a JSON Pointer"],
    ["point to the whole snapshot", [""], "keys[0].pointer is not a JSON Pointer"],
    ["are longer than 256 characters", [`/${"x".repeat(256)}`], "keys[0].pointer is not a JSON Pointer"],
    ["end in a space", ["/a "], "keys[0].pointer ends in a space"],
    ["are the same", ["/a", "/b", "/a"], "keys[2].pointer repeats /a"],
    ["are more than eight", [..."abcdefghi"].map((name) => `/${name}`), "keys has 9 keys; at most 8"],
  ])("%s", (_what, pointers, message) => {
    expect(() => requireKeys(keysAt(...pointers), "keys")).toThrow(message);
  });

  test("but not eight with white space and escapes inside", () => {
    expect(() => requireKeys(keysAt("/a b", "/~0~1", "/é", "/0/1"), "keys")).not.toThrow();
  });
});
