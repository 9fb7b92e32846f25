import { expect, test } from "vitest";
import { ago, ahead, exactTime, timeToMinute, timeToSecond } from "./times.ts";

const NOW = Date.UTC(2026, 10, 28, 14, 5, 9);
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test("what has happened is never ahead, also by a server's clock that is", () => {
  for (const aheadMs of [0, 1, 499, 500, 1_500, 3_000, 60_000]) expect(ago(NOW + aheadMs, NOW)).toBe("now");
});

test("a moment ago is now, and then counts in seconds, minutes, hours, days, months and years", () => {
  const after = (ms: number) => ago(NOW - ms, NOW);
  expect(after(999)).toBe("now");
  expect(after(SECOND_MS)).toBe("1 sec ago");
  expect(after(59_999)).toBe("59 sec ago");
  expect(after(60 * SECOND_MS)).toBe("1 min ago");
  expect(after(HOUR_MS)).toBe("1 hr ago");
  expect(after(30 * HOUR_MS)).toBe("1 day ago");
  expect(after(31 * DAY_MS)).toBe("1 mo ago");
  expect(after(800 * DAY_MS)).toBe("2 yr ago");
});

test("what is to come is ahead until it is due", () => {
  expect(ahead(NOW + HOUR_MS, NOW)).toBe("in 1 hr");
  expect(ahead(NOW + 1_500, NOW)).toBe("in 2 sec");
  expect(ahead(NOW + 1, NOW)).toBe("in 1 sec");
  expect(ahead(NOW, NOW)).toBe("due");
  expect(ahead(NOW - HOUR_MS, NOW)).toBe("due");
});

test("dates are written in English with the month's name, and 24 hours a day", () => {
  expect(timeToSecond(NOW)).toMatch(/^2[789] Nov 2026, \d\d:\d\d:09$/);
  expect(timeToMinute(NOW)).toMatch(/^2[789] Nov 2026, \d\d:\d\d$/);
  expect(exactTime(NOW)).toMatch(/^[A-Z][a-z]+, 2[789] November 2026 at \d\d:\d\d:09 /);
});
