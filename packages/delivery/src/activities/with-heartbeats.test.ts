import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HEARTBEAT_TIMEOUT_MS } from "../names.ts";
import { withHeartbeats } from "./with-heartbeats.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Returns when an activity that takes this long sent its heartbeats, in milliseconds from its start. */
async function beatsOf(tookMs: number, heartbeatTimeoutMs: number | undefined): Promise<number[]> {
  const startedAt = performance.now();
  const beats: number[] = [];
  const context = {
    info: heartbeatTimeoutMs === undefined ? {} : { heartbeatTimeoutMs },
    heartbeat: () => void beats.push(Math.round(performance.now() - startedAt)),
  };
  const ended = withHeartbeats(context, () => new Promise((done) => setTimeout(done, tookMs)));
  await vi.advanceTimersByTimeAsync(tookMs);
  await ended;
  await vi.advanceTimersByTimeAsync(60_000);
  return beats;
}

test("an attempt that is answered within seconds sends no heartbeat", async () => {
  expect(await beatsOf(300, HEARTBEAT_TIMEOUT_MS)).toEqual([]);
  expect(await beatsOf(9_000, HEARTBEAT_TIMEOUT_MS)).toEqual([]);
});

test("an attempt whose receiver hangs sends a heartbeat every ten seconds, until it ends", async () => {
  expect(await beatsOf(29_000, HEARTBEAT_TIMEOUT_MS)).toEqual([10_000, 20_000]);
  expect(await beatsOf(59_000, HEARTBEAT_TIMEOUT_MS)).toHaveLength(5);
});

test("an activity that an earlier version scheduled keeps to its shorter timeout", async () => {
  const beats = await beatsOf(15_000, 5_000);
  const gaps = beats.map((at, n) => at - (beats[n - 1] ?? 0));
  expect(Math.max(...gaps)).toBeLessThan(5_000 / 2);
  expect(beats.at(-1)).toBeGreaterThan(15_000 - 5_000 / 2);
});

test("an activity without a heartbeat timeout sends none", async () => {
  expect(await beatsOf(60_000, undefined)).toEqual([]);
});

test("an activity that fails stops sending heartbeats", async () => {
  const heartbeat = vi.fn();
  const failed = withHeartbeats({ info: { heartbeatTimeoutMs: 30_000 }, heartbeat }, () =>
    Promise.reject(new Error("no answer")),
  );
  await expect(failed).rejects.toThrow("no answer");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(heartbeat).not.toHaveBeenCalled();
});
