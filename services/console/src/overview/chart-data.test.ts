import { expect, test } from "vitest";
import { type ChartData, columnsOf, loneValues, movedBy, readoutOf } from "./chart-data.ts";

const TIMES = [0, 60_000, 120_000];
const DATA: ChartData = {
  times: TIMES,
  series: [
    { name: "One", color: "--one", values: [1, null, 30] },
    { name: "Two", color: "--two", values: [2, 4, null] },
  ],
  kind: "lines",
  spell: (value) => `${value} ms`,
};

test("lines have gaps where nothing was measured, and end at the ceiling", () => {
  expect(columnsOf(DATA)).toEqual([
    [0, 60, 120],
    [1, null, 30],
    [2, 4, null],
  ]);
  expect(columnsOf({ ...DATA, ceiling: 15 })[1]).toEqual([1, null, 15]);
});

test("bars are stacked sums, the highest first", () => {
  expect(columnsOf({ ...DATA, kind: "bars" })).toEqual([
    [0, 60, 120],
    [3, 4, 30],
    [1, 0, 30],
  ]);
});

test("the read-out tells each value at a time, and what was not measured", () => {
  expect(readoutOf({ ...DATA, ceiling: 15 }, 2)).toMatch(/ · {2}One 30 ms {2}· {2}Two –$/);
  expect(readoutOf(DATA, 1)).toMatch(/ · {2}One – {2}· {2}Two 4 ms$/);
  expect(readoutOf(DATA, 3)).toBe("");
  expect(readoutOf(DATA, null)).toBe("");
});

test("a value without a neighbour is drawn as a point", () => {
  expect(loneValues([null, 5, null])).toEqual([1]);
  expect(loneValues([5])).toEqual([0]);
  expect(loneValues([5, null, 5, 5, null, 5])).toEqual([0, 5]);
  expect(loneValues([1, 2, 3])).toEqual([]);
  expect(loneValues([null, undefined])).toEqual([]);
});

test("keys move along the bars, from the last one at first, and not past the ends", () => {
  expect(movedBy("ArrowLeft", undefined, 24)).toBe(23);
  expect(movedBy("ArrowLeft", 0, 24)).toBe(0);
  expect(movedBy("ArrowRight", 3, 24)).toBe(4);
  expect(movedBy("ArrowRight", 23, 24)).toBe(23);
  expect([movedBy("Home", 5, 24), movedBy("End", 5, 24)]).toEqual([0, 23]);
  expect(movedBy("Tab", 5, 24)).toBeUndefined();
});
