import { ATTACK_KINDS, attackTable, runAttack } from "@posthaste/attack";
import { expect, test } from "vitest";

/** Short, for every test run: each kind of attack once. `npm run attack` takes the duration as an option. */
const SECONDS = 8;
const SEED = 20;
/** A busy machine makes calls slow, and must not fail them. */
const DEADLINE_MS = 60_000;

test("a well-behaved account notices no attack, and nothing is left open after it", async () => {
  const run = await runAttack({
    ...{ database: "sqlite", seconds: SECONDS, seed: SEED, kinds: ATTACK_KINDS },
    deadlineMs: DEADLINE_MS,
    note: () => {},
  });
  expect(run.findings, attackTable(run)).toEqual([]);
  expect(run.attacked.events).toBeGreaterThan(SECONDS);
  // Each attack did something: the table would look the same without.
  const requests = Object.values(run.tallies).map((tally) => tally.requests);
  expect(requests).toHaveLength(ATTACK_KINDS.length);
  expect(Math.min(...requests)).toBeGreaterThan(0);
}, 300_000);
