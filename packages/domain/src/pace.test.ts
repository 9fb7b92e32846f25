import fc from "fast-check";
import { expect, test } from "vitest";
import {
  EMPTY_LINE,
  halfOfRate,
  type Line,
  lineAfter,
  nextTurnMs,
  type Rate,
  turnsNow,
  turnsUntil,
} from "./pace.ts";

const NOW = 1_700_000_000_000;
const rate: Rate = { perSecond: 10, burst: 3 };

test("after an idle period, the burst goes at once, then one attempt per interval", () => {
  expect(turnsNow(EMPTY_LINE, rate, NOW)).toBe(3);
  const line = lineAfter(EMPTY_LINE, rate, NOW, 3);
  expect(turnsNow(line, rate, NOW)).toBe(0);
  expect(nextTurnMs(line, rate)).toBe(NOW + 100);
  expect(turnsNow(line, rate, NOW + 100)).toBe(1);
  expect(turnsNow(line, rate, NOW + 250)).toBe(2);
  expect(turnsNow(line, rate, NOW + 100_000)).toBe(3);
});

test("no second has more attempts than the rate plus the burst, whenever they arrive", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 300 }),
      fc.double({ min: 0.5, max: 50, noNaN: true }),
      fc.integer({ min: 1, max: 20 }),
      (pauses, perSecond, burst) => {
        const sent: number[] = [];
        let line: Line = EMPTY_LINE;
        let now = NOW;
        for (const pause of pauses) {
          now += pause;
          if (turnsNow(line, { perSecond, burst }, now) === 0) continue;
          line = lineAfter(line, { perSecond, burst }, now);
          sent.push(now);
        }
        const inSecondFrom = (at: number) => sent.filter((time) => time >= at && time < at + 1_000).length;
        return sent.every((at) => inSecondFrom(at) <= Math.ceil(perSecond) + burst);
      },
    ),
  );
});

test("until a time, as many may start as are sent one after the other, each when it may", () => {
  let line = lineAfter(EMPTY_LINE, rate, NOW, 5);
  const count = turnsUntil(line, rate, NOW + 1_000);
  expect(count).toBe(8);
  for (let n = 0; n < count; n++) {
    const at = Math.max(NOW, nextTurnMs(line, rate));
    expect(at).toBeLessThanOrEqual(NOW + 1_000);
    line = lineAfter(line, rate, at);
  }
  expect(nextTurnMs(line, rate)).toBeGreaterThan(NOW + 1_000);
});

test("two halves of a rate are the rate, and each has a burst of at least one", () => {
  expect(halfOfRate({ perSecond: 10, burst: 4 })).toEqual({ perSecond: 5, burst: 2 });
  expect(halfOfRate({ perSecond: 0.001, burst: 1 })).toEqual({ perSecond: 0.0005, burst: 1 });
});

test("a line ends at most a year from now, however many attempts wait at the lowest rate", () => {
  const slowest: Rate = { perSecond: 0.001, burst: 1 };
  const line = lineAfter(EMPTY_LINE, slowest, NOW, 10_000_000);
  expect(nextTurnMs(line, slowest)).toBe(NOW + 365 * 86_400_000);
  expect(nextTurnMs(lineAfter(line, slowest, NOW + 1), slowest)).toBe(NOW + 1 + 365 * 86_400_000);
  expect(Number.isSafeInteger(line)).toBe(true);
});
