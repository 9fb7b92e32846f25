import { expect, test } from "vitest";
import { problemInWords } from "./problem-in-words.ts";

test("a problem is said in words, also one that a newer API names", () => {
  expect(problemInWords("unreachable")).toBe("Cannot be reached");
  expect(problemInWords("on_fire")).toBe("Does not work (on_fire)");
});
