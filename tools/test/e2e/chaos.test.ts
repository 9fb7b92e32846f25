import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { chaosTable, linesOf, runChaos } from "@posthaste/chaos";
import { isAlive, knownProcess } from "@posthaste/stack";
import { poll } from "@posthaste/testkit";
import { expect, test } from "vitest";

/** Short, for every test run. `npm run chaos` takes the duration as an option. */
const SECONDS = 20;
/** More than one ingest call creates deliveries for, so that upkeep goes on with the fan-out. */
const WIDE = 1_050;
/**
 * With this seed, Temporal is away while retries wait, on either database. After its restart Temporal
 * dispatches retries early, and the test shows that none of them is sent.
 */
const SEED = 7837;

/** Each database and each lane once: accounts change their lanes in a run. `npm run chaos` runs all four. */
test.each([
  ["sqlite", "direct"],
  ["mysql", "workflow"],
] as const)(
  "no delivery is lost, early or wrong while processes are killed and paused, on %s in the %s lane",
  async (database, lane) => {
    const run = await runChaos({ database, lane, seconds: SECONDS, seed: SEED, wide: WIDE, note: () => {} });
    expect(linesOf(run.findings), chaosTable([run])).toEqual([]);
    expect(run.events).toBeGreaterThan(SECONDS);
    expect(run.faults.length).toBeGreaterThan(3);
    expect(run.faults).toContainEqual(expect.objectContaining({ target: "temporal", kind: "away" }));
  },
  400_000,
);

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Returns the processes of the group that a command leads; each command of the front door leads its own. */
function groupBelow(frontDoor: number): readonly number[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,pgid="], { encoding: "utf8" });
  const rows = table
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const leader = rows.find(([, parent]) => parent === frontDoor)?.[0];
  return rows.flatMap(([pid, , group]) => (pid !== undefined && group === leader ? [pid] : []));
}

test("a run of chaos that is stopped leaves no process", async () => {
  const args = ["chaos", "--seconds", "300", "--seed", String(SEED), "--database", "sqlite"];
  const child = spawn(process.execPath, [`${root}tools/run.mjs`, ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (text) => {
    output += text;
  });
  const exit = once(child, "exit");
  expect(await poll(() => / s: (kill|pause) /.test(output), { withinMs: 180_000 })).toBe(true);
  const group = groupBelow(child.pid ?? 0).flatMap((pid) => knownProcess(pid) ?? []);
  expect(group.length).toBeGreaterThan(4);
  child.kill("SIGINT");
  expect(await exit).toEqual([130, null]);
  expect(await poll(() => !group.some(isAlive), { withinMs: 20_000 })).toBe(true);
}, 400_000);
