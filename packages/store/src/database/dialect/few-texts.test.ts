import { expect, test } from "vitest";
import { padded } from "./few-texts.ts";

test("a list is padded with its last value to one of a few lengths", () => {
  expect(padded([])).toEqual([]);
  expect(padded([1])).toEqual([1]);
  expect(padded([1, 2, 3])).toEqual([1, 2, 3, 3]);
  const lengthOf = (length: number) => padded(new Array(length).fill(0)).length;
  expect([4, 5, 257, 512, 513, 32_700].map(lengthOf)).toEqual([4, 8, 512, 512, 1_024, 32_768]);
});
