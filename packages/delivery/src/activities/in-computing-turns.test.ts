import type { AccountId } from "@posthaste/domain";
import { expect, onTestFinished, test, vi } from "vitest";
import { createComputingTurns } from "./in-computing-turns.ts";

/** Turns whose computations are noted when they run, and take a time of the test's own. */
function setup() {
  let nowMs = 0;
  const inTurn = createComputingTurns(() => nowMs);
  const order: string[] = [];
  const compute = (account: number, name: string, tookMs: number) =>
    inTurn(account as AccountId, () => {
      order.push(name);
      nowMs += tookMs;
      return name;
    });
  return { compute, order };
}

test("accounts take turns, however many computations one of them has waiting", async () => {
  const { compute, order } = setup();
  const all = ["a1", "a2", "a3", "a4"].map((name) => compute(1, name, 3));
  expect(await Promise.all([...all, compute(2, "b1", 3)])).toEqual(["a1", "a2", "a3", "a4", "b1"]);
  expect(order).toEqual(["a1", "b1", "a2", "a3", "a4"]);
});

test("the account that owes least goes first", async () => {
  const { compute, order } = setup();
  await compute(1, "costly", 20);
  await Promise.all([compute(1, "a1", 1), compute(2, "b1", 1), compute(2, "b2", 1)]);
  expect(order).toEqual(["costly", "b1", "b2", "a1"]);
});

test("what is ready goes on after a long computation, and short ones share a turn of the loop", async () => {
  const { compute, order } = setup();
  const short = ["s1", "s2", "s3"].map((name) => compute(1, name, 0.5));
  const long = ["l1", "l2"].map((name) => compute(1, name, 5));
  setImmediate(() => order.push("others"));
  await Promise.all([...short, ...long]);
  expect(order).toEqual(["s1", "s2", "s3", "l1", "others", "l2"]);
});

test("all rest for twice as long as a turn took", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "setImmediate"] });
  onTestFinished(() => void vi.useRealTimers());
  const { compute, order } = setup();
  const both = [compute(1, "a1", 50), compute(2, "b1", 50)];
  await vi.advanceTimersByTimeAsync(99);
  expect(order).toEqual(["a1"]);
  await vi.advanceTimersByTimeAsync(1);
  expect(await Promise.all(both)).toEqual(["a1", "b1"]);
});

test("a computation that throws rejects its own promise, and those after it run", async () => {
  const inTurn = createComputingTurns();
  const failing = inTurn(1 as AccountId, () => {
    throw new Error("no");
  });
  const next = inTurn(1 as AccountId, () => "next");
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("next");
});
