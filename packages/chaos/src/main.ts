import { linesOf } from "./checks/findings.ts";
import { CHAOS_USAGE, parseChaosOptions } from "./options.ts";
import { type ChaosRun, runChaos } from "./run-chaos.ts";
import { chaosTable } from "./table.ts";

/** Problems shown per run. */
const SHOWN_MAX = 20;

/**
 * Runs the command.
 *
 * @returns the exit code: 0 if nothing was found, else 1
 */
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
  const failed = runs.filter(({ findings }) => linesOf(findings).length > 0);
  for (const { database, findings, logDir } of failed) {
    for (const line of linesOf(findings).slice(0, SHOWN_MAX)) console.log(`${database}: ${line}`);
    console.log(`logs and the stories of these deliveries: ${logDir}`);
    console.log(
      `to repeat: npm run chaos -- --seconds ${seconds} --seed ${seed} --database ${database} --lane ${lane}`,
    );
  }
  return failed.length === 0 ? 0 : 1;
}
