import { describe, expect, test, vi } from "vitest";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "./durations.ts";
import {
  EARLY_TOLERANCE_MS,
  isDue,
  parseRetryAfterMs,
  RETRY_AFTER_MAX_MS,
  SCHEDULE,
  scheduledWaitMs,
  waitAfterAttemptMs,
} from "./schedule.ts";

const waits = Array.from({ length: SCHEDULE.maximumAttempts }, (_, i) => scheduledWaitMs(i + 1));

describe("the published schedule", () => {
  test("waits 10, 30, 90, then 190 minutes", () => {
    const minutes = waits.map((wait) => (wait === undefined ? undefined : wait / MINUTE_MS));
    expect(minutes).toEqual([10, 30, 90, ...Array.from({ length: 10 }, () => 190), undefined]);
  });

  test("ends after 13 retries, 33 hours and 50 minutes after the first attempt", () => {
    expect(waits.filter((wait) => wait !== undefined)).toHaveLength(13);
    expect(waits.reduce<number>((sum, wait) => sum + (wait ?? 0), 0)).toBe(33 * HOUR_MS + 50 * MINUTE_MS);
  });

  test("a Retry-After lengthens a wait, up to a day, and never shortens it", () => {
    expect(waitAfterAttemptMs(1, undefined)).toBe(10 * MINUTE_MS);
    expect(waitAfterAttemptMs(1, 5_000)).toBe(10 * MINUTE_MS);
    expect(waitAfterAttemptMs(1, HOUR_MS)).toBe(HOUR_MS);
    expect(waitAfterAttemptMs(4, HOUR_MS)).toBe(190 * MINUTE_MS);
    expect(waitAfterAttemptMs(1, 400 * HOUR_MS)).toBe(RETRY_AFTER_MAX_MS);
    expect(waitAfterAttemptMs(14, HOUR_MS)).toBeUndefined();
  });
});

test("an attempt is due at its time, and earlier by at most the tolerance", () => {
  const dueAt = 1_700_000_000_000;
  expect(isDue(dueAt, dueAt + HOUR_MS)).toBe(true);
  expect(isDue(dueAt, dueAt)).toBe(true);
  expect(isDue(dueAt, dueAt - EARLY_TOLERANCE_MS)).toBe(true);
  expect(isDue(dueAt, dueAt - EARLY_TOLERANCE_MS - 1)).toBe(false);
  expect(isDue(null, dueAt)).toBe(true);
  expect(EARLY_TOLERANCE_MS).toBeLessThan(SCHEDULE.initialIntervalMs / 100);
});

test.each([
  ["3600", HOUR_MS],
  [" 0 ", 0],
  ["Tue, 14 Nov 2023 22:43:20 GMT", 30 * MINUTE_MS],
  ["Tuesday, 14-Nov-23 22:43:20 GMT", 30 * MINUTE_MS],
  ["Tue, 14 Nov 2023 22:00:00 GMT", 0],
  ["soon", undefined],
  ["-5", undefined],
  ["1.5", undefined],
  ["2023-11-14", undefined],
  ["", undefined],
  ["86401", DAY_MS],
  ["99999999999", DAY_MS],
  ["9".repeat(400), DAY_MS],
  ["Fri, 14 Nov 2053 22:43:20 GMT", DAY_MS],
])("Retry-After: %j means %s ms", (header, ms) => {
  expect(parseRetryAfterMs(header, 1_700_000_000_000)).toBe(ms);
});

test("a Retry-After date without a time zone is GMT, whatever the worker's time zone", () => {
  vi.stubEnv("TZ", "America/New_York");
  expect(parseRetryAfterMs("Tue Nov 14 22:43:20 2023", 1_700_000_000_000)).toBe(1_800_000);
  vi.unstubAllEnvs();
});
