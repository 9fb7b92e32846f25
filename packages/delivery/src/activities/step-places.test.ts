import type { AccountId } from "@posthaste/domain";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createStepPlaces, PLACES_OF_ONE, type StepPlaces } from "./step-places.ts";

const [A, B] = [1, 2] as AccountId[] as [AccountId, AccountId];

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A step that takes this long. */
const taking = (ms: number) => () => new Promise<string>((done) => setTimeout(() => done("done"), ms));

/** Begins steps of an account that take a second, and returns how many of them found a place. */
async function begun(places: StepPlaces, account: AccountId | undefined, count: number): Promise<number> {
  let found = 0;
  const step = async () => {
    await taking(1_000)();
    found += 1;
  };
  for (let i = 0; i < count; i++) void places.run(account, step);
  await vi.advanceTimersByTimeAsync(1_000);
  return found;
}

test("an account that is alone runs few steps at once, and leaves a place to another", async () => {
  const places = createStepPlaces();
  expect(await begun(places, A, 50)).toBe(PLACES_OF_ONE);
  // The account's places still rest.
  expect(await begun(places, A, 50)).toBe(0);
  expect(await begun(places, B, 50)).toBe(1);
});

test("a place rests three times as long as its step took", async () => {
  const places = createStepPlaces();
  const first = places.run(A, taking(200));
  const second = places.run(A, taking(200));
  await vi.advanceTimersByTimeAsync(200);
  expect(await Promise.all([first, second])).toEqual([
    { result: "done", waitMs: 600 },
    { result: "done", waitMs: 600 },
  ]);
  await vi.advanceTimersByTimeAsync(599);
  expect((await places.run(A, taking(200))).result).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  expect(await begun(places, A, 50)).toBe(PLACES_OF_ONE);
});

test("a step that finds no place is told when to come again, the later the more have been told", async () => {
  const places = createStepPlaces();
  await begun(places, A, PLACES_OF_ONE);
  const waits: number[] = [];
  for (let i = 0; i < 5; i++) waits.push((await places.run(A, async () => "done")).waitMs);
  expect(waits[0]).toBeGreaterThan(0);
  expect(waits).toEqual([...new Set(waits)].sort((a, b) => a - b));
  for (let i = 0; i < 100; i++) waits.push((await places.run(A, async () => "done")).waitMs);
  expect(Math.max(...waits)).toBe(10_000);
});

test("a step that fails gives its place back after its rest", async () => {
  const places = createStepPlaces();
  for (let i = 0; i < 10; i++) {
    await expect(places.run(A, () => Promise.reject(new Error("no answer")))).rejects.toThrow("no answer");
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(await begun(places, A, 50)).toBe(PLACES_OF_ONE);
});

test("workflows that do not know their account share as one", async () => {
  const places = createStepPlaces();
  expect(await begun(places, undefined, 50)).toBe(PLACES_OF_ONE);
  expect(await begun(places, B, 50)).toBe(1);
});
