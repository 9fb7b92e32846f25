import { expect, test } from "vitest";
import { inTurns } from "./in-turns.ts";

test("runs and yardsticks take turns, and a yardstick starts only once the run has settled", async () => {
  const order: string[] = [];
  let round = 0;
  const measured = await inTurns({
    rounds: 2,
    processes: [],
    run: async () => {
      order.push("run");
      round += 1;
      return { count: 10 * round, seconds: 2, latenciesMs: [round] };
    },
    settle: async () => {
      order.push("settle");
    },
    yardsticks: [
      {
        name: "whole",
        partNames: ["part"],
        perSecond: async () => {
          order.push("whole");
          return [100 * round, 7];
        },
      },
      { name: "other", perSecond: async () => [50] },
    ],
  });
  expect(order).toEqual(["run", "settle", "whole", "run", "settle", "whole"]);
  expect(measured).toEqual({
    perSecond: [5, 10],
    latenciesMs: [1, 2],
    costs: { cpuMs: {}, writtenBytes: {} },
    yardsticks: [
      { name: "whole", perSecond: [100, 200] },
      { name: "part", perSecond: [7, 7] },
      { name: "other", perSecond: [50, 50] },
    ],
  });
});
