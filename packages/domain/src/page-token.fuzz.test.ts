import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePageToken, encodePageToken } from "./page-token.ts";
import { Refusal } from "./refusal.ts";

test("any text is a valid page token or is refused", () => {
  const tokenLike = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.base64String(),
    fc.json().map((json) => Buffer.from(json).toString("base64url")),
    fc.string().map((text) => Buffer.from(text).toString("base64url")),
  );
  fc.assert(
    fc.property(tokenLike, (text) => {
      try {
        expect(typeof decodePageToken(text, "string")).toBe("string");
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
      }
    }),
    fuzzing(),
  );
});

test("a number in a page token is a safe integer", () => {
  const json = fc.oneof(fc.double(), fc.bigInt(), fc.maxSafeInteger()).map(String);
  fc.assert(
    fc.property(json, (text) => {
      try {
        const key = decodePageToken(Buffer.from(text).toString("base64url"), "number");
        expect(Number.isSafeInteger(key)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
      }
    }),
    fuzzing(),
  );
});

test("an encoded sort key decodes as its own type and is refused as the other", () => {
  const text = fc.string({ unit: fc.constantFrom(..."dlv_01abz"), maxLength: 30 });
  fc.assert(
    fc.property(fc.nat(), text, (number, id) => {
      expect(decodePageToken(encodePageToken(number), "number")).toBe(number);
      expect(decodePageToken(encodePageToken(id), "string")).toBe(id);
      expect(() => decodePageToken(encodePageToken(id), "number")).toThrow(Refusal);
      expect(() => decodePageToken(encodePageToken(number), "string")).toThrow(Refusal);
    }),
    fuzzing(),
  );
});
