import { describe, expect, test } from "vitest";
import { CUSTOM_HEADERS_CHARS_MAX, CUSTOM_HEADERS_MAX, parseCustomHeaders } from "./custom-headers.ts";
import { Refusal } from "./refusal.ts";

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, "1"]));

test("names are taken in lower case, values without white space around them", () => {
  expect(parseCustomHeaders({ "X-Api-Key": " a b\t", Authorization: "Bearer x" })).toEqual({
    "x-api-key": "a b",
    authorization: "Bearer x",
  });
  expect(parseCustomHeaders({})).toEqual({});
  expect(Object.keys(parseCustomHeaders(many(CUSTOM_HEADERS_MAX)))).toHaveLength(CUSTOM_HEADERS_MAX);
});

describe("refused is", () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ["what makes the request what it is", { "Content-Type": "text/plain" }, /"Content-Type" is set by/],
    ["the host", { host: "a" }, /"host" is set by/],
    ["a length", { "content-length": "1" }, /set by/],
    ["a chunked body", { "transfer-encoding": "chunked" }, /set by/],
    ["our own", { "Webhook-Signature": "v1,a" }, /set by/],
    ["our own that is still to come", { "webhook-anything": "a" }, /set by/],
    ["a proxy's", { "proxy-authorization": "a" }, /set by/],
    ["an empty name", { "": "a" }, /is no header's name/],
    ["a name with a space", { "x y": "a" }, /is no header's name/],
    ["a name with a line break", { "x\r\ny": "a" }, /is no header's name/],
    ["a name that is too long", { ["x".repeat(65)]: "a" }, /is no header's name/],
    ["one name in two spellings", { "X-A": "1", "x-a": "2" }, /comes twice/],
    ["an empty value", { "x-a": " " }, /is empty/],
    ["a value with a line break", { "x-a": "hush\r\nhost: b" }, /not visible ASCII/],
    ["a value beyond ASCII", { "x-a": "é" }, /not visible ASCII/],
    ["too many", many(CUSTOM_HEADERS_MAX + 1), /has 21 entries/],
    ["too much", { "x-a": "a".repeat(CUSTOM_HEADERS_CHARS_MAX) }, /4099 characters in all/],
  ])("%s", (_what, headers, words) => {
    const parse = () => parseCustomHeaders(headers);
    expect(parse).toThrow(Refusal);
    expect(parse).toThrow(words);
    expect(parse).not.toThrow(/hush/);
  });
});
