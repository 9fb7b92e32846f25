import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createStopDeadline } from "./stop-deadline.ts";

const never = new Promise<void>(() => {});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("a part that ends in time leaves nothing", async () => {
  const deadline = createStopDeadline(1_000);
  await deadline.waitFor("loops", Promise.resolve());
  expect(deadline.left()).toEqual({});
  expect(deadline.signal.aborted).toBe(false);
});

test("all parts share one deadline, and what has not ended by then is counted by its part", async () => {
  const deadline = createStopDeadline(1_000);
  const waits = Promise.all([
    deadline.waitFor("attempts", never, () => 3),
    deadline.waitFor("loops", never),
    deadline.waitFor("idle", never, () => 0),
  ]);
  await vi.advanceTimersByTimeAsync(1_000);
  await waits;
  expect(deadline.signal.aborted).toBe(true);
  await deadline.waitFor("store", never);
  expect(deadline.left()).toEqual({ attempts: 3, loops: 1, store: 1 });
});

test("a part that has ended before it is waited for is not cut off after the deadline", async () => {
  const deadline = createStopDeadline(1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  await deadline.waitFor("listener", Promise.resolve());
  expect(deadline.left()).toEqual({});
});

test("a part's failure is thrown before the deadline, and ignored after it", async () => {
  const deadline = createStopDeadline(1_000);
  await expect(deadline.waitFor("store", Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  let fail = (_error: Error) => {};
  const late = new Promise<void>((_resolve, reject) => {
    fail = reject;
  });
  const wait = deadline.waitFor("temporal", late);
  await vi.advanceTimersByTimeAsync(1_000);
  await wait;
  fail(new Error("too late"));
  await late.catch(() => {});
  expect(deadline.left()).toEqual({ temporal: 1 });
});

test("pieces that a part leaves by itself are added to those that the deadline cut off", async () => {
  const deadline = createStopDeadline(1_000);
  deadline.leave("hand_overs", 7);
  deadline.leave("requests", 0);
  const wait = deadline.waitFor("hand_overs", never, () => 2);
  await vi.advanceTimersByTimeAsync(1_000);
  await wait;
  expect(deadline.left()).toEqual({ hand_overs: 9 });
});
