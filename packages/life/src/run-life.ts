import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createTestStore } from "@posthaste/testkit";
import type { Message } from "./life-main.ts";
import type { LifeOptions } from "./live-months.ts";
import type { Measurement } from "./measurement.ts";

export type Database = "sqlite" | "mysql";

/**
 * Lives an installation's months on a new database, in a process of its own.
 *
 * @param run.mysqlUrl the MySQL server. Default: the test run's
 * @throws Error if the process fails
 */
export async function runLife({
  database,
  mysqlUrl,
  note = () => {},
  ...options
}: Omit<LifeOptions, "url"> & {
  readonly database: Database;
  readonly mysqlUrl?: string | undefined;
  readonly note?: (line: string) => void;
}): Promise<readonly Measurement[]> {
  const { url, dispose } = await createTestStore(database, mysqlUrl);
  try {
    return await liveApart({ ...options, url }, note);
  } finally {
    await dispose();
  }
}

async function liveApart(
  options: LifeOptions,
  note: (line: string) => void,
): Promise<readonly Measurement[]> {
  const child = fork(fileURLToPath(new URL("life-main.ts", import.meta.url)), [JSON.stringify(options)], {
    execArgv: ["--disable-warning=ExperimentalWarning", "--conditions=source", "--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let measurements: readonly Measurement[] | undefined;
  child.on("message", (message: Message) => {
    if ("note" in message) note(message.note);
    else ({ measurements } = message);
  });
  // A command that is interrupted exits without waiting.
  const end = () => void child.kill("SIGKILL");
  process.on("exit", end);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  process.off("exit", end);
  if (measurements === undefined) throw new Error(`the process that lives ended with ${code}`);
  return measurements;
}
