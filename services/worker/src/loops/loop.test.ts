import { type Log, silentLog } from "@posthaste/runtime";
import { expect, test, vi } from "vitest";
import { pauseAfterFailureMs, type Round, startLoops } from "./loop.ts";
import type { Dependency } from "./outage-log.ts";

const NEVER_MS = 1_000_000;

const start = (intervalMs: number, round: () => Promise<Round>) =>
  startLoops({ test: { intervalMs, round } }, { log: silentLog });

/** Returns a round that ends only when the test ends it, and the rounds begun so far. */
function stepwise() {
  const begun: { finish: (result: Round) => void; fail: (error: Error) => void }[] = [];
  const round = () =>
    new Promise<Round>((resolve, reject) => {
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

test("the pause after a failure begins short, and doubles up to the interval, or five seconds if longer", () => {
  const pauses = (intervalMs: number) =>
    [1, 2, 3, 4, 5, 6, 7, 8, 1_000, 2_000].map((failures) => pauseAfterFailureMs(intervalMs, failures));
  expect(pauses(250)).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000]);
  expect(pauses(15_000)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000]);
  expect(pauses(3_600_000).slice(-3)).toEqual([32_000, 3_600_000, 3_600_000]);
  expect(pauses(100)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000]);
});

test("a loop that keeps failing pauses longer each time, and at its interval again after a success", async () => {
  vi.useFakeTimers();
  try {
    const { round, begun } = stepwise();
    const loops = start(15_000, round);
    for (const [n, pauseMs] of [250, 500, 1_000].entries()) {
      expect(begun).toHaveLength(n + 1);
      begun[n]?.fail(new Error("unavailable"));
      await vi.advanceTimersByTimeAsync(pauseMs - 1);
      expect(begun).toHaveLength(n + 1);
      await vi.advanceTimersByTimeAsync(1);
    }
    begun[3]?.finish("done");
    await vi.advanceTimersByTimeAsync(14_999);
    expect(begun).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(1);
    expect(begun).toHaveLength(5);
    begun[4]?.finish("done");
    await loops.stop();
  } finally {
    vi.useRealTimers();
  }
});

test("a round without work ends no outage and shortens no pause, until what was away is back", async () => {
  vi.useFakeTimers();
  try {
    const events: string[] = [];
    const log: Log = {
      ...silentLog,
      info: (event) => void events.push(event),
      error: (event) => void events.push(event),
    };
    let away: readonly Dependency[] = ["temporal"];
    const { round, begun } = stepwise();
    const loops = startLoops({ test: { intervalMs: 15_000, round } }, { log, whatIsAway: async () => away });
    begun[0]?.fail(new Error("refused"));
    await vi.advanceTimersByTimeAsync(250);
    begun[1]?.finish("idle");
    await vi.advanceTimersByTimeAsync(499);
    expect(begun).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    begun[2]?.finish("searching");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(events).toEqual(["test.failed"]);
    // Another outage than the one that made the loop fail.
    away = ["database"];
    begun[3]?.finish("idle");
    await vi.advanceTimersByTimeAsync(14_999);
    expect(events).toEqual(["test.failed", "test.recovered"]);
    expect(begun).toHaveLength(4);
    const stopped = loops.stop();
    await vi.runAllTimersAsync();
    await stopped;
  } finally {
    vi.useRealTimers();
  }
});

test("during an outage, a wake call begins a round after one without work, and not after a failed one", async () => {
  vi.useFakeTimers();
  try {
    let asked = 0;
    const whatIsAway = async (): Promise<readonly Dependency[]> => {
      asked += 1;
      return ["temporal"];
    };
    const { round, begun } = stepwise();
    const loops = startLoops({ test: { intervalMs: 250, round } }, { log: silentLog, whatIsAway });
    const wake = async () => {
      loops.wake("test");
      await vi.advanceTimersByTimeAsync(0);
    };
    begun[0]?.fail(new Error("refused"));
    await vi.advanceTimersByTimeAsync(250);
    begun[1]?.finish("idle");
    await vi.advanceTimersByTimeAsync(100);
    expect(asked).toBe(2);
    // The pause of 500 ms goes on meanwhile, and until it is over, nobody asks what is away.
    await wake();
    expect(begun).toHaveLength(3);
    await wake();
    begun[2]?.finish("idle");
    await vi.advanceTimersByTimeAsync(0);
    expect(begun).toHaveLength(4);
    begun[3]?.finish("searching");
    await vi.advanceTimersByTimeAsync(399);
    expect(begun).toHaveLength(4);
    expect(asked).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    begun[4]?.finish("idle");
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toBe(3);
    await wake();
    begun[5]?.fail(new Error("refused"));
    await vi.advanceTimersByTimeAsync(0);
    await wake();
    await vi.advanceTimersByTimeAsync(1_999);
    expect(begun).toHaveLength(6);
    await vi.advanceTimersByTimeAsync(1);
    expect(begun).toHaveLength(7);
    begun[6]?.finish("done");
    await loops.stop();
  } finally {
    vi.useRealTimers();
  }
});

test("after a failure while nothing is away, rounds without work pause no longer and heed wake calls", async () => {
  vi.useFakeTimers();
  try {
    const { round, begun } = stepwise();
    const loops = startLoops({ test: { intervalMs: 400, round } }, { log: silentLog });
    begun[0]?.fail(new Error("deadlock"));
    await vi.advanceTimersByTimeAsync(250);
    for (let n = 1; n < 10; n++) {
      begun[n]?.finish("idle");
      await vi.advanceTimersByTimeAsync(399);
      expect(begun).toHaveLength(n + 1);
      await vi.advanceTimersByTimeAsync(1);
      expect(begun).toHaveLength(n + 2);
    }
    begun[10]?.finish("idle");
    await vi.advanceTimersByTimeAsync(0);
    loops.wake("test");
    await vi.advanceTimersByTimeAsync(0);
    begun[11]?.fail(new Error("deadlock"));
    await vi.advanceTimersByTimeAsync(249);
    expect(begun).toHaveLength(12);
    await vi.advanceTimersByTimeAsync(1);
    expect(begun).toHaveLength(13);
    begun[12]?.finish("done");
    await loops.stop();
  } finally {
    vi.useRealTimers();
  }
});

test("an outage is logged once, with what is away, and its end with the number of failed rounds", async () => {
  const lines: object[] = [];
  const log: Log = {
    ...silentLog,
    info: (event, fields) => void lines.push({ event, ...fields }),
    error: (event, error, fields) => void lines.push({ event, error: String(error), ...fields }),
  };
  let away: readonly Dependency[] = ["temporal"];
  const failures: string[] = [];
  const { round, begunRound } = stepwise();
  const loops = startLoops(
    { test: { intervalMs: 1, round } },
    { log, onFailure: (name) => failures.push(name), whatIsAway: async () => away },
  );
  for (const [n, message] of ["refused", "timed out", "timed out", "lost", "bug", "bug"].entries()) {
    const current = await begunRound(n + 1);
    if (n === 3) away = ["database", "temporal"];
    if (n === 4) away = [];
    current.fail(new Error(message));
  }
  (await begunRound(7)).finish("done");
  (await begunRound(8)).fail(new Error("bug"));
  (await begunRound(9)).finish("done");
  await loops.stop();
  expect(lines).toEqual([
    { event: "test.failed", error: "Error: refused", failures: 1, away: ["temporal"] },
    { event: "test.failed", error: "Error: lost", failures: 4, away: ["database", "temporal"] },
    { event: "test.failed", error: "Error: bug", failures: 5, away: [] },
    { event: "test.recovered", failures: 6 },
    { event: "test.failed", error: "Error: bug", failures: 1, away: [] },
    { event: "test.recovered", failures: 1 },
  ]);
  expect(failures).toHaveLength(7);
});
