import { expect, test } from "vitest";
import { matchesKey, parsePointer } from "./event-key.ts";

const json = `{"ContactID":902,"Email":"ada@example.com","big":12345678901234567890,"none":null,"yes":true,
  "Company":{"Name":"Foxglove","a/b":"c","m~n":"o"},"Contacts":[{"ContactID":7}],"constructor":"x"}`;

test.each([
  ["/ContactID", "902", true],
  ["/ContactID", "90", false],
  ["/Email", "ada@example.com", true],
  ["/big", "12345678901234567890", true],
  ["/big", "12345678901234567891", false],
  ["/none", "null", true],
  ["/yes", "true", true],
  ["/Company/Name", "Foxglove", true],
  ["/Company/a~1b", "c", true],
  ["/Company/m~0n", "o", true],
  ["/Contacts/0/ContactID", "7", true],
  ["/Contacts/1/ContactID", "7", false],
  ["/Company", "[object Object]", false],
  ["/toString", "function toString() { [native code] }", false],
  ["/constructor", "x", true],
  ["/missing", "undefined", false],
  ["/ContactID/value", "902", false],
])("%s matches %s: %s", (pointer, value, expected) => {
  expect(matchesKey(json, { pointer, value })).toBe(expected);
});

test.each(["", "ContactID", "/a~2", "/~", `/${"x".repeat(300)}`])("%s is not a valid pointer", (pointer) => {
  expect(() => parsePointer(pointer, "pointer")).toThrow("JSON Pointer");
});
