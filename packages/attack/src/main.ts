import { ATTACK_USAGE, parseAttackOptions } from "./options.ts";
import { ATTACK_KINDS } from "./plan.ts";
import { runAttack } from "./run-attack.ts";
import { attackTable } from "./table.ts";

/**
 * Runs the command.
 *
 * @returns the exit code: 0 if the well-behaved account noticed nothing and nothing was left open, else 1
 */
export async function attack(args: readonly string[], prepare: () => Promise<void>): Promise<number> {
  const options = parseAttackOptions(args);
  if (options === "help") {
    console.log(ATTACK_USAGE);
    return 0;
  }
  await prepare();
  const { seconds, seed, database, kinds } = options;
  console.log(`${seconds} s of attacks on ${database}, seed ${seed}`);
  const run = await runAttack({ ...options, note: (line) => console.log(`  ${line}`) });
  console.log(`\n${attackTable(run)}\n`);
  for (const line of run.findings) console.log(line);
  if (run.findings.length === 0) return 0;
  const only = kinds.length === ATTACK_KINDS.length ? "" : ` --only ${kinds.join(" ")}`;
  console.log(`logs: ${run.logDir}`);
  console.log(
    `to repeat: npm run attack -- --seconds ${seconds} --seed ${seed} --database ${database}${only}`,
  );
  return 1;
}
