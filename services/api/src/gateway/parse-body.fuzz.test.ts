import { Refusal } from "@posthaste/domain";
import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Fields, fromForm, fromJson, textField } from "./parse-body.ts";

const NAMES = ["target_url", "event", "secret", "__proto__", "constructor", "toString", "hasOwnProperty", ""];
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const formLike = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom(...NAMES), fc.string()), fc.string({ unit: "binary" })), {
    maxLength: 6,
  })
  .map((pairs) => Buffer.from(pairs.map(([name, value]) => `${name}=${value}`).join("&")));
const encodedForm = fc
  .string({ unit: fc.constantFrom(..."%0189abcdefABCDEF&=+;secretvnul"), maxLength: 100 })
  .map((text) => Buffer.from(text));
const jsonLike = fc.oneof(
  fc.json().map((json) => Buffer.from(json)),
  fc
    .dictionary(fc.oneof(fc.constantFrom(...NAMES), fc.string()), fc.jsonValue())
    .map((value) => Buffer.from(JSON.stringify(value))),
  fc
    .constantFrom('{"__proto__":{"event":"x"}}', '{"constructor":{"prototype":{"event":"x"}}}')
    .map((json) => Buffer.from(json)),
);

/** Asserts that reading a field yields a string from the body or throws a refusal. */
function check(parse: (body: Buffer) => Fields, body: Buffer): void {
  let fields: Fields;
  try {
    fields = parse(body);
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal);
    return;
  }
  for (const name of NAMES) {
    try {
      const value = textField(fields, name);
      expect(typeof value).toBe("string");
      expect(Object.hasOwn(fields, name)).toBe(true);
    } catch (error) {
      expect(error).toBeInstanceOf(Refusal);
    }
  }
  // biome-ignore lint/suspicious/noExplicitAny: checks for a polluted prototype
  expect(({} as any).event).toBeUndefined();
}

test("any JSON body yields the fields of its object or is refused", () => {
  fc.assert(
    fc.property(fc.oneof(bytes, jsonLike, formLike), (body) => check(fromJson, body)),
    fuzzing(),
  );
});

test("any form body yields its fields or is refused", () => {
  fc.assert(
    fc.property(fc.oneof(bytes, formLike, encodedForm, jsonLike), (body) => check(fromForm, body)),
    fuzzing(),
  );
});

test("a form written by URLSearchParams is read back unchanged", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 40 }).filter((value) => !value.includes("\ufffd"));
  fc.assert(
    fc.property(text, text, (event, secret) => {
      const fields = fromForm(Buffer.from(new URLSearchParams({ event, secret }).toString()));
      expect([textField(fields, "event"), textField(fields, "secret")]).toEqual([event, secret]);
    }),
    fuzzing(),
  );
});
