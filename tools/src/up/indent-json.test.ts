import { expect, test } from "vitest";
import { indentJson } from "./indent-json.ts";

test("indentJson changes only white space", () => {
  const text = String.raw`[{"n":12345678901234567890,"d":1.10,"s":"a {b}, [c]: \"d\" é","e":{},"l":[],"t":[true,null]}]`;
  expect(indentJson(text)).toBe(String.raw`[
  {
    "n": 12345678901234567890,
    "d": 1.10,
    "s": "a {b}, [c]: \"d\" é",
    "e": {},
    "l": [],
    "t": [
      true,
      null
    ]
  }
]`);
});
