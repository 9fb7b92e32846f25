import { expect, test } from "vitest";
import { runChaos } from "../../src/chaos/run-chaos.ts";
import { chaosTable } from "../../src/chaos/table.ts";

/** Short, for every day: `npm run chaos` runs as long as you like. */
const SECONDS = 15;
const SEED = 4;

test.each(["sqlite", "mysql"] as const)(
  "nothing is lost, nothing is wrong while everything is killed and paused, on %s",
  async (database) => {
    const run = await runChaos({ database, seconds: SECONDS, seed: SEED, note: () => {} });
    expect(run.verdict.lost, chaosTable([run])).toEqual([]);
    expect(run.verdict.wrong, chaosTable([run])).toEqual([]);
    expect(run.events).toBeGreaterThan(SECONDS);
    expect(run.faults.length).toBeGreaterThan(3);
  },
  400_000,
);
