import { expect, test } from "vitest";
import { warmRate } from "./warm-rate.ts";

/** Takes a while to begin, and longer the first time. */
function runOf(perSecond: number, sizes: number[]) {
  return async (size: number) => {
    sizes.push(size);
    return { count: size, seconds: 0.2 * (sizes.length === 1 ? 10 : 1) + size / perSecond };
  };
}

test("runs grow until one is long enough, so that its beginning hardly counts", async () => {
  const sizes: number[] = [];
  expect(await warmRate(runOf(1_000, sizes), 50, 10_000)).toBeCloseTo(800);
  expect(sizes).toEqual([50, 50, 200, 800]);
});

test("a slow one is not made to run longer than it must, nor a fast one for ever", async () => {
  const slow: number[] = [];
  await warmRate(runOf(30, slow), 50, 10_000);
  expect(slow).toEqual([50, 50]);
  const fast: number[] = [];
  await warmRate(runOf(1e9, fast), 50, 300);
  expect(fast).toEqual([50, 50, 200, 300]);
});
