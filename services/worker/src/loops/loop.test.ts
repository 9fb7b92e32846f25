import { silentLog } from "@posthaste/runtime";
import { expect, test, vi } from "vitest";
import { startLoops } from "./loop.ts";

const NEVER_MS = 1_000_000;

const start = (intervalMs: number, round: () => Promise<"more" | "done">) =>
  startLoops({ test: { intervalMs, round } }, { log: silentLog });

/** Returns a round that ends only when the test ends it, and the rounds begun so far. */
function stepwise() {
  const begun: { finish: (result: "more" | "done") => void; fail: (error: Error) => void }[] = [];
  const round = () =>
    new Promise<"more" | "done">((resolve, reject) => {
      begun.push({ finish: resolve, fail: reject });
    });
  const begunRound = async (n: number) => {
    await vi.waitFor(() => expect(begun).toHaveLength(n), { timeout: 30_000, interval: 1 });
    const last = begun[n - 1];
    if (last === undefined) throw new Error("no round");
    return last;
  };
  return { round, begun, begunRound };
}

test("after a round that finished its work, waking the loop begins the next round", async () => {
  const { round, begun, begunRound } = stepwise();
  const loops = start(NEVER_MS, round);
  (await begunRound(1)).finish("done");
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toHaveLength(1);
  loops.wake("test");
  (await begunRound(2)).finish("done");
  await loops.stop();
});

test("after a round that left work, the next round begins at once", async () => {
  const { round, begunRound } = stepwise();
  const loops = start(NEVER_MS, round);
  (await begunRound(1)).finish("more");
  (await begunRound(2)).finish("done");
  await loops.stop();
});

test("any number of wake calls during a round cause one more round", async () => {
  const { round, begun, begunRound } = stepwise();
  const loops = start(NEVER_MS, round);
  const first = await begunRound(1);
  for (let i = 0; i < 100; i++) loops.wake("test");
  first.finish("done");
  (await begunRound(2)).finish("done");
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toHaveLength(2);
  await loops.stop();
});

test("the timer begins the next round without a wake call", async () => {
  const { round, begunRound } = stepwise();
  const loops = start(1, round);
  (await begunRound(1)).finish("done");
  (await begunRound(2)).finish("done");
  await loops.stop();
});

test("after a failed round the next begins after a pause, which a wake call does not shorten", async () => {
  const { round, begun, begunRound } = stepwise();
  const loops = start(20, round);
  (await begunRound(1)).fail(new Error("unavailable"));
  await new Promise((resolve) => setImmediate(resolve));
  loops.wake("test");
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toHaveLength(1);
  (await begunRound(2)).finish("done");
  await loops.stop();
});

test("stop waits for the current round and begins no other", async () => {
  const { round, begun, begunRound } = stepwise();
  const loops = start(1, round);
  const first = await begunRound(1);
  let stopped = false;
  const stopping = loops.stop().then(() => {
    stopped = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(stopped).toBe(false);
  first.finish("more");
  await stopping;
  expect(begun).toHaveLength(1);
});
