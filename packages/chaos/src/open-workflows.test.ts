import { expect, test } from "vitest";
import type { OpenWorkflow } from "./checks/facts.ts";
import { leftOf, saw, type Watched } from "./open-workflows.ts";

const EVERY_MS = 2_000;
const LOOKS = 61;

const paused = (deliveryId: string): OpenWorkflow => ({
  deliveryId,
  standing: { kind: "paused", by: "retry_now" },
});
const idle = (deliveryId: string): OpenWorkflow => ({
  deliveryId,
  standing: { kind: "running", nextAttemptAt: undefined },
});
const waiting = (deliveryId: string): OpenWorkflow => ({
  deliveryId,
  standing: { kind: "running", nextAttemptAt: 1 },
});

/** Looks for two minutes, and returns the deliveries whose workflows are left. */
function leftAfter(look: (n: number) => readonly OpenWorkflow[]): string[] {
  let watched: Watched | undefined;
  for (let n = 0; n < LOOKS; n++) watched = saw(look(n), n * EVERY_MS, watched);
  return watched === undefined ? [] : leftOf(watched).map(({ deliveryId }) => deliveryId);
}

test("workflows that never end are left, also those that were not there at the first look", () => {
  expect(leftAfter((n) => (n === 0 ? [paused("A")] : [paused("A"), idle("B")]))).toEqual(["A", "B"]);
});

test("a workflow that first waits for a time and then for nothing is left", () => {
  expect(leftAfter((n) => (n < 10 ? [waiting("A")] : [paused("A")]))).toEqual(["A"]);
});

test("a workflow that appears in the last looks may still end", () => {
  expect(leftAfter((n) => (n < LOOKS - 3 ? [paused("A")] : [paused("A"), idle("B")]))).toEqual(["A"]);
});

test("a workflow that is in every other look goes on again and again", () => {
  expect(leftAfter((n) => (n % 2 === 0 ? [idle("A")] : [waiting("A")]))).toEqual([]);
});

test("workflows that wait for a time are left, whenever they appear", () => {
  expect(leftAfter((n) => (n < LOOKS - 1 ? [] : [waiting("A")]))).toEqual(["A"]);
});
