import { expect, test } from "vitest";
import { expectNone } from "./expect-none.ts";

test("a failure names all that was found, however long it is", () => {
  const found = [
    "overview, light: color-contrast at .place: too low ".repeat(9),
    "audit, narrow: is 4 px wider",
  ];
  expect(() => expectNone(found)).toThrow(`${found[0]}\n${found[1]}`);
  expect(() => expectNone([])).not.toThrow();
});
