import { MINUTE_MS, SCHEDULE } from "@posthaste/domain";
import { expect, test } from "vitest";
import { earlyAttempts, type LoggedAttempt } from "./early-attempts.ts";

const logged = (over: Partial<LoggedAttempt> = {}): LoggedAttempt => ({
  delivery_id: "dlv_1",
  number: 1,
  started_at: 5_000,
  duration_ms: 1_000,
  retry_after_ms: null,
  ...over,
});
const second = (at: number) => ({ deliveryId: "dlv_1", number: 2, at });
const DUE = 6_000 + 10 * MINUTE_MS;

test("a first attempt is never early, and neither is a retry within the tolerance or after its time", () => {
  const requests = [
    { deliveryId: "dlv_1", number: 1, at: 5_000 },
    second(DUE - 1_000),
    second(DUE + MINUTE_MS),
  ];
  expect(earlyAttempts(requests, [logged()])).toEqual([]);
});

test("a retry is early if it comes before its time by more than the tolerance", () => {
  expect(earlyAttempts([second(DUE - 1_001)], [logged()])).toEqual(["dlv_1 attempt 2 was 1001 ms early"]);
});

test("each wait of the schedule counts, and so does a longer Retry-After", () => {
  const third = { deliveryId: "dlv_1", number: 3, at: DUE };
  expect(earlyAttempts([third], [logged(), logged({ number: 2 })])).toHaveLength(1);
  expect(earlyAttempts([second(DUE)], [logged({ retry_after_ms: 20 * MINUTE_MS })])).toHaveLength(1);
});

test("a requested retry is not early", () => {
  expect(earlyAttempts([second(7_000)], [logged()], ({ number }) => number === 2)).toEqual([]);
});

test("a retry without a logged predecessor is early, and so is one beyond the schedule", () => {
  expect(earlyAttempts([second(DUE)], [])).toEqual([
    "dlv_1 attempt 2: the attempt before it is not in the log",
  ]);
  const last = SCHEDULE.maximumAttempts;
  const beyond = { deliveryId: "dlv_1", number: last + 1, at: 1e15 };
  expect(earlyAttempts([beyond], [logged({ number: last })])).toHaveLength(1);
});
