import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { AttackersOptions, Tallies } from "./attackers-main.ts";

/**
 * Performs the strikes in a process of their own. Resolves with what was done.
 *
 * @throws Error if the process fails
 */
export async function runAttackers(options: AttackersOptions): Promise<Tallies> {
  const program = fileURLToPath(new URL("attackers-main.ts", import.meta.url));
  const child = fork(program, [JSON.stringify(options)], {
    execArgv: ["--disable-warning=ExperimentalWarning", "--conditions=source", "--import", "tsx"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  let tallies: Tallies | undefined;
  child.on("message", (message: Tallies) => {
    tallies = message;
  });
  const end = () => void child.kill("SIGKILL");
  process.on("exit", end);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  process.off("exit", end);
  if (tallies === undefined) throw new Error(`the attackers' process ended with ${code}`);
  return tallies;
}
