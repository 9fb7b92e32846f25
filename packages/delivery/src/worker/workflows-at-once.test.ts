import { expect, test } from "vitest";
import { heapBytesMax, workflowsAtOnce } from "./workflows-at-once.ts";

const MIB = 2 ** 20;

test("there is one workflow in memory for each first attempt in flight, and some for other tasks", () => {
  expect(workflowsAtOnce(200, 1_024 * MIB)).toBe(250);
});

test("workflows fill at most half of a small heap, whatever the setting", () => {
  expect(workflowsAtOnce(10_000, 1_024 * MIB)).toBe(5_368);
  expect(workflowsAtOnce(200, 40 * MIB)).toBe(209);
  expect(workflowsAtOnce(200, 0)).toBe(2);
});

test("the heap of this process is a positive number of bytes, and no more than Node's limit", () => {
  expect(heapBytesMax()).toBeGreaterThan(MIB);
  expect(workflowsAtOnce(1, heapBytesMax())).toBe(51);
});
