import { Complaint, parseCommandLine } from "@posthaste/runtime/terminal";
import { readInstallation, readTime, renewInstallation, type Store } from "@posthaste/store";
import { byCommand } from "./by-command.ts";
import { withDatabase } from "./database-url.ts";

const USAGE = `npm run installation -- [new-id]

Shows the id of the database's installation. Every name in Temporal carries it, so installations that share
a namespace never meet. A copy of a database has the id of its original.

  new-id
      gives the database another id, for a copy that is to run beside its original; stop the API and the
      workers of the copy first. New workflows carry its open deliveries on, and the workflows under the old
      id stay with the original

Uses the database that DATABASE_URL names.`;

export async function installationCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseCommandLine("installation", {
    args: [...args],
    allowPositionals: true,
    options: { help: { type: "boolean", short: "h" } },
  });
  const [command, extra] = positionals;
  if (values.help === true || command === "help") {
    console.log(USAGE);
    return 0;
  }
  const wrong = command === undefined || command === "new-id" ? extra : command;
  if (wrong !== undefined) {
    throw new Complaint(`unexpected argument "${wrong}": see npm run installation -- --help`);
  }
  console.log(await withDatabase(process.env, (store) => runCommand(store, command === "new-id")));
  return 0;
}

async function runCommand(store: Store, isRenewed: boolean): Promise<string> {
  const before = await readInstallation(store);
  if (!isRenewed) return before === "" ? "none: the database is older than these ids" : before;
  const by = byCommand("npm run installation -- new-id");
  return `${await renewInstallation(store, { now: await readTime(store), by })} (before: ${before === "" ? "none" : before})`;
}
