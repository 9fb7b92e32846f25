import { expect, test } from "vitest";
import { compareResults, comparisonLines } from "./compare.ts";
import { exampleFigure, exampleResults } from "./example-results.ts";

const bare = (ratio: number) => [{ name: "bare workflow", values: [40], ratio }];

test("ratios to a common yardstick are compared, so a slower machine is not a slower product", () => {
  const before = exampleResults(exampleFigure({ values: [60], yardsticks: bare(1.5) }));
  const now = exampleResults(exampleFigure({ values: [30], yardsticks: bare(1.5) }));
  expect(compareResults(before, now)).toMatchObject([
    { by: "of bare workflow", before: 1.5, now: 1.5, share: 0, direction: "the same" },
  ]);
});

test("figures without a common yardstick are compared directly", () => {
  const before = exampleResults(exampleFigure({ values: [60], yardsticks: bare(1.5) }));
  const now = exampleResults(exampleFigure({ values: [90], yardsticks: [] }));
  expect(compareResults(before, now)).toMatchObject([
    { by: "deliveries/s", share: 0.5, direction: "better" },
  ]);
});

test.each([
  ["more", 2, "better"],
  ["more", 1, "worse"],
  ["less", 2, "worse"],
  ["less", 1, "better"],
  ["more", 1.55, "the same"],
] as const)("if %s is better, a ratio of %s instead of 1.5 is %s", (better, ratio, direction) => {
  const before = exampleResults(exampleFigure({ better, yardsticks: bare(1.5) }));
  const now = exampleResults(exampleFigure({ better, yardsticks: bare(ratio) }));
  expect(compareResults(before, now)).toMatchObject([{ direction }]);
});

test("only figures with the same name, database and lane are compared, and the others are counted", () => {
  const before = exampleResults(
    exampleFigure(),
    exampleFigure({ database: "mysql" }),
    exampleFigure({ name: "streamed", values: [] }),
  );
  const now = exampleResults(
    exampleFigure(),
    exampleFigure({ lane: "direct" }),
    exampleFigure({ name: "streamed" }),
  );
  expect(compareResults(before, now).map(({ key }) => key)).toEqual([
    "deliver · 1 subscription · sqlite · workflow",
  ]);
  expect(comparisonLines(before, now)).toEqual([
    "compared with 0123456789ab of 2026-01-02:",
    expect.stringMatching(
      /^deliver · 1 subscription · sqlite · workflow +1\.50 → 1\.50 +\+0 % +the same +of bare workflow +CPU ms 39\.0 → 39\.0$/,
    ),
    "nothing to compare with: 2 of 3 figures",
  ]);
});

test("the CPU of the product alone is shown if both runs measured it", () => {
  const before = exampleResults(exampleFigure({ cpuMs: { api: 1, worker: 12, generator: 100 } }));
  const now = exampleResults(exampleFigure({ cpuMs: { api: 1, worker: 2, receiver: 100 } }));
  expect(compareResults(before, now)).toMatchObject([{ cpuMsBefore: 13, cpuMsNow: 3 }]);
  const unseen = exampleResults(exampleFigure({ cpuMs: {} }));
  expect(comparisonLines(before, unseen).join()).not.toContain("CPU");
});
