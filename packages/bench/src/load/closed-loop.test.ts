import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { closedLoop } from "./closed-loop.ts";
import { steadily } from "./steady.ts";

test("the calls of all callers are counted", async () => {
  let calls = 0;
  const run = await closedLoop({
    callers: 8,
    seconds: 0.05,
    items: 3,
    call: async () => {
      await turn();
      calls += 1;
    },
  });
  expect(run.count).toBe(calls * 3);
  expect(run.latenciesMs).toHaveLength(calls);
  expect(calls).toBeGreaterThan(8);
});

test("a call that fails ends the run", async () => {
  const call = () => Promise.reject(new Error("refused"));
  await expect(closedLoop({ callers: 2, seconds: 10, call })).rejects.toThrow("refused");
});

test("calls keep their pace, and their latency counts from the time they were due", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const calls = await steadily({
    perSecond: 200,
    count: 5,
    callers: 1,
    call: async (n) => {
      if (n === 0) {
        setTimeout(release, 100);
        await held;
      }
      return n;
    },
  });
  expect(calls.map(({ answer }) => answer)).toEqual([0, 1, 2, 3, 4]);
  // The second call was due 5 ms after the first, and waited for it.
  expect((calls[1]?.answeredAt ?? 0) - (calls[1]?.dueAt ?? 0)).toBeGreaterThan(80);
});
