import { expect, test } from "vitest";
import { ATTACK_KINDS, planStrikes, quietMs } from "./plan.ts";

test("a seed repeats its strikes, and another one has others", () => {
  const strikesOf = (seed: number) => planStrikes({ seed, seconds: 60, kinds: ATTACK_KINDS });
  expect(strikesOf(1)).toEqual(strikesOf(1));
  expect(strikesOf(2)).not.toEqual(strikesOf(1));
});

test.each([1, 15, 60, 3_600])(
  "every kind strikes in every round of %i s, and none beyond the end",
  (seconds) => {
    const strikes = planStrikes({ seed: 7, seconds, kinds: ATTACK_KINDS });
    const rounds = Math.max(1, Math.floor(seconds / 10));
    for (const kind of ATTACK_KINDS) {
      expect(strikes.filter((strike) => strike.kind === kind).map(({ n }) => n)).toEqual([
        ...Array(rounds).keys(),
      ]);
    }
    expect(Math.max(...strikes.map(({ at, forMs }) => at + forMs))).toBeLessThanOrEqual(seconds * 1_000);
  },
);

test("strikes can be of one kind only", () => {
  const strikes = planStrikes({ seed: 7, seconds: 20, kinds: ["bombs"] });
  expect(strikes.map(({ kind }) => kind)).toEqual(["bombs", "bombs"]);
});

test("the quiet time is a third of the attacks, in whole milliseconds, and at least three seconds", () => {
  expect([1, 10, 60].map(quietMs)).toEqual([3_000, 3_334, 20_000]);
});
