import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type CheckState, createLatestCheck, QUIET_MS, SLOW_MS } from "./latest-check.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A check whose answers the test gives, and what it has shown and asked so far. */
function start() {
  const asked: string[] = [];
  const answers: (() => void)[] = [];
  const shown: CheckState<string>[] = [];
  const check = createLatestCheck<string, string>({
    check: (input) =>
      new Promise((resolve) => {
        asked.push(input);
        answers.push(() => resolve(`fine: ${input}`));
      }),
    show: (state) => shown.push(state),
  });
  const answer = async () => {
    answers.shift()?.();
    await vi.advanceTimersByTimeAsync(0);
  };
  return { check, asked, answer, last: () => shown.at(-1) };
}

test("only what is there after a pause is checked", async () => {
  const { check, asked, answer, last } = start();
  for (const input of ["a", "ab", "abc"]) {
    check.ask(input);
    await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
  }
  expect(asked).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toEqual(["abc"]);
  expect(last()).toEqual({ kind: "checking", isSlow: false });
  await answer();
  expect(last()).toEqual({ kind: "answered", answer: "fine: abc" });
});

test("one check is under way at a time, and the latest input wins", async () => {
  const { check, asked, answer, last } = start();
  for (const input of ["a", "b", "c"]) {
    check.ask(input);
    await vi.advanceTimersByTimeAsync(QUIET_MS);
  }
  expect(asked).toEqual(["a"]);
  await answer();
  expect(asked).toEqual(["a", "c"]);
  expect(last()?.kind).toBe("checking");
  await answer();
  expect(last()).toEqual({ kind: "answered", answer: "fine: c" });
});

test("a slow check is shown as slow until it answers", async () => {
  const { check, answer, last } = start();
  check.ask("a");
  await vi.advanceTimersByTimeAsync(SLOW_MS);
  expect(last()).toEqual({ kind: "checking", isSlow: true });
  await answer();
  expect(last()?.kind).toBe("answered");
});

test("the answer for an input that cannot be checked any more is dropped", async () => {
  const { check, answer, last } = start();
  check.ask("a");
  await vi.advanceTimersByTimeAsync(QUIET_MS);
  check.ask(undefined);
  await answer();
  expect(last()).toEqual({ kind: "none" });
});

test("nothing is shown after the end", async () => {
  const { check, answer, last, asked } = start();
  check.ask("a");
  await vi.advanceTimersByTimeAsync(QUIET_MS);
  check.ask("b");
  check.stop();
  await answer();
  await vi.advanceTimersByTimeAsync(SLOW_MS);
  expect(last()).toEqual({ kind: "checking", isSlow: false });
  expect(asked).toEqual(["a"]);
});
