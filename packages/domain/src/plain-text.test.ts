import { expect, test } from "vitest";
import { plainText } from "./plain-text.ts";

test.each(["\u0000", "\n", "\u007f", "\u202e", "\u2066"])(
  "a text with the character %j is refused",
  (character) => {
    expect(() => plainText(`a${character}b`, "name", 10)).toThrow(/^name contains a .*; remove it$/);
  },
);

test("a text in any script, with joined emoji and marks of direction, is taken as it is", () => {
  for (const text of ["שלום", "مرحبا\u200f!", "👩‍👩‍👧", "Ünïcode"])
    expect(plainText(text, "name", 20)).toBe(text);
});
