import { chaosTable, runChaos } from "@posthaste/chaos";
import { expect, test } from "vitest";

/** Short, for every test run. `npm run chaos` takes the duration as an option. */
const SECONDS = 10;
/**
 * With this seed, Temporal is killed while retries wait, on either database. After its restart Temporal
 * dispatches retries early, and the test shows that none of them is sent.
 */
const SEED = 7837;

test.each([
  ["sqlite", "workflow"],
  ["sqlite", "direct"],
  ["mysql", "workflow"],
  ["mysql", "direct"],
] as const)(
  "no delivery is lost, early or wrong while processes are killed and paused, on %s in the %s lane",
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
