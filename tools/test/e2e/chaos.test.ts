import { chaosTable, runChaos } from "@posthaste/chaos";
import { expect, test } from "vitest";

/** Short, for every day: `npm run chaos` runs as long as you like. */
const SECONDS = 10;
/**
 * Kills Temporal on either database while retries wait: what it then hands out early shows whether it is
 * sent.
 */
const SEED = 7837;

test.each([
  ["sqlite", "workflow"],
  ["sqlite", "direct"],
  ["mysql", "workflow"],
  ["mysql", "direct"],
] as const)(
  "nothing is lost, early or wrong while everything is killed and paused, on %s in the %s lane",
  async (database, lane) => {
    const run = await runChaos({ database, lane, seconds: SECONDS, seed: SEED, note: () => {} });
    expect(run.findings.lost, chaosTable([run])).toEqual([]);
    expect(run.findings.early, chaosTable([run])).toEqual([]);
    expect(run.findings.wrong, chaosTable([run])).toEqual([]);
    expect(run.events).toBeGreaterThan(SECONDS);
    expect(run.faults.length).toBeGreaterThan(3);
    expect(run.faults).toContainEqual(expect.objectContaining({ target: "temporal", kind: "kill" }));
  },
  400_000,
);
