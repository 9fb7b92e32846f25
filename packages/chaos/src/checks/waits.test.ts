import { describe, expect, test } from "vitest";
import { AT, attempt, delivery, FACTS, known, others, seen } from "./example-facts.ts";
import type { Facts } from "./facts.ts";
import { findingsFrom } from "./findings.ts";

test("a delivery whose first attempt failed before it arrived does not stand still until the next one", () => {
  const failed = attempt({ outcome: "timeout", status: null });
  const facts: Facts = {
    ...FACTS,
    attempts: [failed, attempt({ number: 2 })],
    seen: [seen({}, AT + 600_000)],
  };
  const { broken, waits } = findingsFrom(facts);
  expect(broken["stood still"]).toEqual([]);
  expect(waits.longestMs).toBe(0);
  expect(findingsFrom({ ...facts, attempts: [attempt()] }).broken["stood still"]).not.toEqual([]);
});

test("a delivery that waits its turn on a slow machine does not stand still", () => {
  const { broken, waits } = findingsFrom({ ...FACTS, seen: [seen({}, AT + 30_000), ...others(1_000)] });
  expect(broken["stood still"]).toEqual([]);
  expect(waits).toEqual({ longestMs: 30_000, besideFaultsMs: 30_000, overtakenBy: 1_000 });
});

test("an account whose earlier deliveries are sent meanwhile has its turns, and does not stand still", () => {
  const ids = Array.from({ length: 6 }, (_, n) => `dlv_${10 + n}`);
  const facts = {
    ...FACTS,
    deliveries: ids.map((id, n) => delivery({ id, created_at: AT + n })),
    seen: [...ids.map((deliveryId, n) => seen({ deliveryId }, AT + (n + 1) * 10_000)), ...others(5_000)],
  };
  expect(findingsFrom(facts).broken["stood still"]).toEqual([]);
  const fewer = { ...facts, seen: facts.seen.filter(({ deliveryId }) => deliveryId !== "dlv_11") };
  expect(findingsFrom(fewer).broken["stood still"]).not.toEqual([]);
});

test("an account stands still in any of the gaps, not only in the longest", () => {
  const facts = {
    ...FACTS,
    deliveries: ["dlv_10", "dlv_11"].map((id, n) => delivery({ id, created_at: AT + n })),
    seen: [
      seen({ deliveryId: "dlv_10" }, AT + 40_000),
      seen({ deliveryId: "dlv_11" }, AT + 60_000),
      ...others(1_001, AT + 41_000),
    ],
  };
  expect(findingsFrom(facts).broken["stood still"]).not.toEqual([]);
});

test("a delivery that a fault cut off waits for its repair while later ones are sent", () => {
  const facts = {
    ...FACTS,
    deliveries: [delivery(), delivery({ id: "dlv_2", created_at: AT + 1_000 })],
    seen: [seen({}, AT + 60_000), seen({ deliveryId: "dlv_2" }, AT + 1_100), ...others(1_001)],
  };
  const { broken, waits } = findingsFrom(facts);
  expect(broken["stood still"]).toEqual([]);
  expect(waits).toEqual({ longestMs: 60_000, besideFaultsMs: 60_000, overtakenBy: 1_001 });
});

test("a wait during a fault that hit the delivery is not held against anybody, and is reported", () => {
  const fault = {
    at: 0,
    forMs: 60_000,
    kind: "kill",
    target: "temporal",
    from: AT,
    until: AT + 60_000,
  } as const;
  const { broken, waits } = findingsFrom({ ...FACTS, faults: [fault], seen: [seen({}, AT + 60_000)] });
  expect(broken["stood still"]).toEqual([]);
  expect(waits).toMatchObject({ longestMs: 60_000, besideFaultsMs: 0 });
});

describe("attempts of the well-behaved account", () => {
  /** The first ones of these attempts fail. */
  const failing = (failed: number, count: number): Facts => ({
    ...FACTS,
    attempts: Array.from({ length: count }, (_, i) =>
      attempt({ number: i + 1, ...(i < failed && { outcome: "timeout", status: null, duration_ms: 2_000 }) }),
    ),
  });
  const found = (facts: Facts) => findingsFrom(facts).broken["stood still"];

  test.each([
    [100, 100],
    [21, 21],
    [51, 100],
  ])("stand still if %d of %d fail beside faults", (failed, count) => {
    const lines = found(failing(failed, count));
    expect(lines).toHaveLength(failed);
    expect(lines).toContainEqual(
      expect.stringMatching(/dlv_0 attempt 21 .*failed beside faults \(timeout\)/),
    );
  });

  test.each([
    [20, 20],
    [50, 100],
  ])("do not stand still if %d of %d fail", (failed, count) => {
    expect(found(failing(failed, count))).toEqual([]);
  });

  test("may all fail while a fault is felt, also if it begins before their end", () => {
    const fault = { at: 0, forMs: 1, kind: "kill", target: "worker 1" } as const;
    for (const from of [AT - 10_001, AT, AT + 2_000]) {
      expect(found({ ...failing(100, 100), faults: [{ ...fault, from, until: from + 1 }] })).toEqual([]);
    }
    const over = { ...fault, from: AT - 10_002, until: AT - 10_001 };
    expect(found({ ...failing(100, 100), faults: [over] })).toHaveLength(100);
  });

  test("are those to its steady receivers, not those of others", () => {
    expect(found({ ...failing(100, 100), known: new Map([[1, { ...known, character: "flaky" }]]) })).toEqual(
      [],
    );
  });
});
