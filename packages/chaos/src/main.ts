import { CHAOS_USAGE, parseChaosOptions } from "./options.ts";
import { type ChaosRun, runChaos } from "./run-chaos.ts";
import { chaosTable } from "./table.ts";
import type { Verdict } from "./verdict.ts";

const SHOWN_MAX = 20;

/** @returns 0 only where nothing was lost, early or wrong */
export async function chaos(args: readonly string[], prepare: () => Promise<void>): Promise<number> {
  const options = parseChaosOptions(args);
  if (options === "help") {
    console.log(CHAOS_USAGE);
    return 0;
  }
  await prepare();
  const { seconds, seed, databases, lane } = options;
  const runs: ChaosRun[] = [];
  for (const database of databases) {
    console.log(`${seconds} s of faults on ${database} in the ${lane} lane, seed ${seed}`);
    runs.push(await runChaos({ database, lane, seconds, seed, note: (line) => console.log(`  ${line}`) }));
  }
  console.log(`\n${chaosTable(runs)}\n`);
  const failed = runs.filter(({ verdict }) => faultsOf(verdict).length > 0);
  for (const { database, verdict } of failed) {
    for (const line of faultsOf(verdict).slice(0, SHOWN_MAX)) console.log(`${database}: ${line}`);
    console.log(
      `again: npm run chaos -- --seconds ${seconds} --seed ${seed} --database ${database} --lane ${lane}`,
    );
  }
  return failed.length === 0 ? 0 : 1;
}

function faultsOf({ lost, early, wrong }: Verdict): string[] {
  return [...lost, ...early, ...wrong];
}
