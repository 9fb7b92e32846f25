import { type OwnMysqlServer, startOwnMysql } from "@posthaste/testkit";
import { findingsFrom } from "./findings.ts";
import { LIFE_USAGE, parseLifeOptions } from "./options.ts";
import { type Database, runLife } from "./run-life.ts";
import { lifeTable } from "./table.ts";

/**
 * Runs the command.
 *
 * @returns the exit code: 0 if nothing grew, else 1
 */
export async function life(args: readonly string[]): Promise<number> {
  const command = parseLifeOptions(args);
  if (command === "help") {
    console.log(LIFE_USAGE);
    return 0;
  }
  let grown = 0;
  for (const database of command.databases) grown += await liveOn(database, command);
  return grown === 0 ? 0 : 1;
}

/** Returns how many findings there were. */
async function liveOn(
  database: Database,
  { months, events }: { months: number; events: number },
): Promise<number> {
  console.log(`${months} months on ${database} with ${events} events`);
  const mysql: OwnMysqlServer | undefined = database === "mysql" ? await startOwnMysql() : undefined;
  try {
    const note = (line: string) => console.log(`  ${line}`);
    const measurements = await runLife({ database, mysqlUrl: mysql?.url, months, events, note });
    console.log(`\n${lifeTable(measurements)}\n`);
    const findings = findingsFrom(measurements);
    for (const { what, first, last } of findings) {
      console.log(`${database}: ${what} grew from ${first} to ${last}`);
    }
    return findings.length;
  } finally {
    await mysql?.release();
  }
}
