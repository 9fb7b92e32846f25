import fc from "fast-check";
import { expect, test } from "vitest";
import { EMPTY_LINE, type Line, lineAfter, nextTurnMs, type Rate, turnsNow } from "./pace.ts";

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

test("a line ends at most a year from now, however many attempts wait at the lowest rate", () => {
  const slowest: Rate = { perSecond: 0.001, burst: 1 };
  const line = lineAfter(EMPTY_LINE, slowest, NOW, 10_000_000);
  expect(nextTurnMs(line, slowest)).toBe(NOW + 365 * 86_400_000);
  expect(nextTurnMs(lineAfter(line, slowest, NOW + 1), slowest)).toBe(NOW + 1 + 365 * 86_400_000);
  expect(Number.isSafeInteger(line)).toBe(true);
});
