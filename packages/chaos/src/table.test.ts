import { expect, test } from "vitest";
import { KINDS } from "./checks/findings.ts";
import { TRAFFIC_KINDS } from "./plan.ts";
import type { ChaosRun } from "./run-chaos.ts";
import { chaosTable } from "./table.ts";

test("no two rows of the table have one name, whatever the traffic did", () => {
  const broken = Object.fromEntries(
    KINDS.map((kind) => [kind, []]),
  ) as unknown as ChaosRun["findings"]["broken"];
  const waits = { longestMs: 0, besideFaultsMs: 0, overtakenBy: 0 };
  const run: ChaosRun = {
    ...{ database: "sqlite", lane: "direct", seed: 1, seconds: 20, logDir: undefined, faults: [] },
    ...{ events: 0, deliveries: 0, attempts: 0, requests: 0 },
    acts: TRAFFIC_KINDS.map((kind) => ({ kind, n: 0, from: 0, until: 0 })),
    findings: { duplicates: 0, waits, broken },
  };
  const names = chaosTable([run])
    .split("\n")
    .slice(1)
    .map((row) => row.split(/ {2,}/)[0]);
  expect(names).toContain("lane changed");
  expect(new Set(names).size).toBe(names.length);
});
