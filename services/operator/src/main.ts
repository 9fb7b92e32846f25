import { explainImport, refuseUnsupportedNode } from "@posthaste/runtime/supported-node";
import { Complaint, runMain } from "@posthaste/runtime/terminal";

/** A command. It resolves with the exit code. */
type Command = (args: readonly string[]) => Promise<number>;

/**
 * Each command is imported only when it runs, since the store imports modules that an old Node does not have.
 */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["migrate", async () => (await import("./migrate.ts")).migrateCommand],
  ["token", async () => (await import("./token/token.ts")).tokenCommand],
  ["installation", async () => (await import("./installation.ts")).installationCommand],
  ["reseal", async () => (await import("./reseal.ts")).resealCommand],
]);

refuseUnsupportedNode();
await runMain(async () => {
  const [name = "", ...args] = process.argv.slice(2);
  const load = COMMANDS.get(name);
  if (load === undefined) {
    throw new Complaint(`there is no command "${name}": choose from ${[...COMMANDS.keys()].join(", ")}`);
  }
  const run = await load().catch(explainImport);
  return await run(args);
});
