import { expect, test } from "vitest";
import { latencyOf, median, oneAfterAnother, percentile, ratioOf } from "./statistics.ts";

test("the median is one of the measured values", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2);
  expect(median([])).toBeNaN();
});

test("a percentile is the smallest value that its share of the values does not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 0.999)).toBe(100);
  expect(percentile(hundred, 0)).toBe(1);
  expect(percentile([7], 0.99)).toBe(7);
});

test("latencies are sorted as numbers", () => {
  expect(latencyOf([100, 9, 20])).toEqual({ p50Ms: 20, p99Ms: 100, p999Ms: 100, maxMs: 100, samples: 3 });
});

test("parts that run one after another are slower than the slowest of them", () => {
  expect(oneAfterAnother(100, 100)).toBeCloseTo(50);
  expect(oneAfterAnother(4_000, 1_000, 4_000)).toBeCloseTo(1_000 / 1.5);
});

test("a ratio is computed within each round, so a machine that slows down does not change it", () => {
  expect(ratioOf([100, 50, 10], [200, 100, 20])).toBe(0.5);
  expect(ratioOf([100], [])).toBeNaN();
});
