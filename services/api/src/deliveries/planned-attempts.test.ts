import { timestampMs } from "@bufbuild/protobuf/wkt";
import { MINUTE_MS } from "@posthaste/domain";
import type { Delivery } from "@posthaste/store";
import { expect, test } from "vitest";
import { plannedAttempts } from "./planned-attempts.ts";

const NOW = 1_700_000_000_000;
const waiting = { state: "started", isTest: false, attempts: 1, nextAttemptAt: NOW } as Delivery;
const planned = (over: Partial<Delivery> = {}) =>
  plannedAttempts({ ...waiting, ...over }).map(({ number, dueAt }) => [
    number,
    (timestampMs(dueAt) - NOW) / MINUTE_MS,
  ]);

test("the planned attempts are the rest of the published schedule, from the next attempt on", () => {
  expect(planned().slice(0, 4)).toEqual([
    [2, 0],
    [3, 30],
    [4, 120],
    [5, 310],
  ]);
  expect(planned()).toHaveLength(13);
  expect(planned({ attempts: 13 })).toEqual([[14, 0]]);
});

test("a delivery that has ended, is parked, is unscheduled or is a test has no planned attempts", () => {
  expect(planned({ state: "exhausted" })).toEqual([]);
  expect(planned({ state: "parked" })).toEqual([]);
  expect(planned({ nextAttemptAt: null })).toEqual([]);
  expect(planned({ isTest: true })).toEqual([]);
});
