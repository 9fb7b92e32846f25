import { describe, expect, test } from "vitest";
import { CUSTOM_HEADERS_CHARS_MAX, CUSTOM_HEADERS_MAX, parseCustomHeaders } from "./custom-headers.ts";
import { Refusal } from "./refusal.ts";

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, "1"]));

test("names are lower-cased and values are trimmed", () => {
  expect(parseCustomHeaders({ "X-Api-Key": " a b\t", Authorization: "Bearer x" })).toEqual({
    "x-api-key": "a b",
    authorization: "Bearer x",
  });
  expect(parseCustomHeaders({})).toEqual({});
  expect(Object.keys(parseCustomHeaders(many(CUSTOM_HEADERS_MAX)))).toHaveLength(CUSTOM_HEADERS_MAX);
});

describe("the headers are refused for", () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ["a content type", { "Content-Type": "text/plain" }, /"Content-Type" is set by/],
    ["a host", { host: "a" }, /"host" is set by/],
    ["a content length", { "content-length": "1" }, /set by/],
    ["a transfer encoding", { "transfer-encoding": "chunked" }, /set by/],
    ["a header of Posthaste", { "Webhook-Signature": "v1,a" }, /set by/],
    ["an unused name with Posthaste's prefix", { "webhook-anything": "a" }, /set by/],
    ["a proxy header", { "proxy-authorization": "a" }, /set by/],
    ["an empty name", { "": "a" }, /is not a valid header name/],
    ["a name with a space", { "x y": "a" }, /is not a valid header name/],
    ["a name with a line break", { "x\r\ny": "a" }, /is not a valid header name/],
    ["a name that is too long", { ["x".repeat(65)]: "a" }, /is not a valid header name/],
    ["one name in two spellings", { "X-A": "1", "x-a": "2" }, /is given twice/],
    ["an empty value", { "x-a": " " }, /is empty/],
    ["a value with a line break", { "x-a": "hush\r\nhost: b" }, /other than visible ASCII/],
    ["a value outside ASCII", { "x-a": "é" }, /other than visible ASCII/],
    ["too many entries", many(CUSTOM_HEADERS_MAX + 1), /has 21 entries/],
    ["too many characters", { "x-a": "a".repeat(CUSTOM_HEADERS_CHARS_MAX) }, /4099 characters in total/],
  ])("%s", (_what, headers, words) => {
    const parse = () => parseCustomHeaders(headers);
    expect(parse).toThrow(Refusal);
    expect(parse).toThrow(words);
    expect(parse).not.toThrow(/hush/);
  });
});
