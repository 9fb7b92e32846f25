import { CHAOS_USAGE, parseChaosOptions } from "./options.ts";
import { type ChaosRun, runChaos } from "./run-chaos.ts";
import { chaosTable } from "./table.ts";

const SHOWN_MAX = 20;

/** @returns 0 only where nothing was lost and nothing is wrong */
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
  const failed = runs.filter(({ verdict }) => verdict.lost.length + verdict.wrong.length > 0);
  for (const { database, verdict } of failed) {
    for (const line of [...verdict.lost, ...verdict.wrong].slice(0, SHOWN_MAX))
      console.log(`${database}: ${line}`);
    console.log(
      `again: npm run chaos -- --seconds ${seconds} --seed ${seed} --database ${database} --lane ${lane}`,
    );
  }
  return failed.length === 0 ? 0 : 1;
}
