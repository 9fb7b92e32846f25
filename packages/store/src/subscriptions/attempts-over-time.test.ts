import { expect, test } from "vitest";
import { attemptsOverTime } from "./attempts-over-time.ts";

const MINUTE_MS = 60_000;
const NOON = Date.UTC(2026, 4, 4, 12);
const at = (minutes: number, isAccepted = true) => ({ startedAt: NOON + minutes * MINUTE_MS, isAccepted });

test("attempts are counted in buckets without gaps, which begin at full minutes", () => {
  const { bucketMs, buckets } = attemptsOverTime([at(2.9, false), at(0.5), at(0.7, false)]);
  expect(bucketMs).toBe(MINUTE_MS);
  expect(buckets).toEqual([
    { from: NOON, attempts: 2, accepted: 1 },
    { from: NOON + MINUTE_MS, attempts: 0, accepted: 0 },
    { from: NOON + 2 * MINUTE_MS, attempts: 1, accepted: 0 },
  ]);
});

test("without attempts there are no buckets", () => {
  expect(attemptsOverTime([]).buckets).toEqual([]);
});

test.each([
  ["one moment", 0, 1],
  ["an hour", 60, 1],
  ["two hours", 120, 5],
  ["a day", 1_440, 60],
  ["ninety days", 129_600, 2_880],
  ["ten years", 5_256_000, 90_720],
])("over %s, the buckets are as short as 61 of them allow", (_what, minutes, length) => {
  const { bucketMs, buckets } = attemptsOverTime([at(0.5), at(minutes + 0.5)]);
  expect(bucketMs).toBe(length * MINUTE_MS);
  expect(buckets.length).toBeLessThanOrEqual(61);
  expect(buckets.reduce((sum, { attempts }) => sum + attempts, 0)).toBe(2);
});
