import { expect, test } from "vitest";
import { warmRate } from "./warm-rate.ts";

/** Takes 0.2 s to start, and ten times as long in the first run. */
function runOf(perSecond: number, sizes: number[]) {
  return async (size: number) => {
    sizes.push(size);
    return { count: size, seconds: 0.2 * (sizes.length === 1 ? 10 : 1) + size / perSecond };
  };
}

test("runs grow until one is so long that its start hardly counts", async () => {
  const sizes: number[] = [];
  expect(await warmRate(runOf(1_000, sizes), 50, 10_000)).toBeCloseTo(800);
  expect(sizes).toEqual([50, 50, 200, 800]);
});

test("a slow run does not grow, and a fast one grows up to the maximum", async () => {
  const slow: number[] = [];
  await warmRate(runOf(30, slow), 50, 10_000);
  expect(slow).toEqual([50, 50]);
  const fast: number[] = [];
  await warmRate(runOf(1e9, fast), 50, 300);
  expect(fast).toEqual([50, 50, 200, 300]);
});
