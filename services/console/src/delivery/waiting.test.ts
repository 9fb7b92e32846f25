import { DeliveryState } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { expectedAt, whyDue, whyNonePlanned } from "./waiting.ts";

const MINUTE_MS = 60_000;
const NOW = 1_700_000_000_000;

test("an attempt that is due later shows its time only", () => {
  expect(whyDue(DeliveryState.STARTED, NOW + 1, NOW)).toBeUndefined();
  expect(whyDue(DeliveryState.PENDING, NOW + 1, NOW)).toBeUndefined();
});

test("an attempt whose time has passed says what it waits for", () => {
  const dueAt = NOW - 12 * MINUTE_MS;
  expect(whyDue(DeliveryState.PENDING, dueAt, NOW)).toMatch(
    /^Due: waiting for .* rate, a free place, the drain after a pause, a worker or Temporal\.$/,
  );
  expect(whyDue(DeliveryState.STARTED, dueAt, NOW)).toMatch(
    /^Due: in progress, waiting for a free place, a worker or Temporal, or paused by an operator \(“Retry now” /,
  );
});

test("attempts behind one that is late are as late as that", () => {
  const schedule = [-12, 18, 138].map((minutes) => NOW + minutes * MINUTE_MS);
  expect(expectedAt(schedule, NOW)).toEqual([-12, 30, 150].map((minutes) => NOW + minutes * MINUTE_MS));
  const later = schedule.map((at) => at + 13 * MINUTE_MS);
  expect(expectedAt(later, NOW)).toEqual(later);
  expect(expectedAt([], NOW)).toEqual([]);
});

test("a parked delivery says so before and after attempts, and not that its subscription is paused", () => {
  for (const attempts of [0, 2]) {
    expect(whyNonePlanned(DeliveryState.PARKED, attempts)).toMatch(/then until the drain comes to it/);
  }
});

test("a delivery that has ended shows its attempts, if there are any", () => {
  expect(whyNonePlanned(DeliveryState.SUCCEEDED, 1)).toBeUndefined();
  expect(whyNonePlanned(DeliveryState.CANCELLED, 0)).toBe("No attempts were made.");
});
