import { askedForHelp } from "@posthaste/runtime/terminal";
import { migrate } from "@posthaste/store";
import { withDatabaseToMigrate } from "./database-url.ts";

const ABOUT = `Brings the database that DATABASE_URL names up to date. It goes forward only: make a backup first.
Services of an older release may have to be stopped: see "Upgrade" in docs/operations.md. It is safe to
run twice at once.`;

export async function migrateCommand(args: readonly string[]): Promise<number> {
  if (askedForHelp("migrate", ABOUT, args)) return 0;
  const applied = await withDatabaseToMigrate(process.env, migrate);
  console.log(applied.length === 0 ? "the database is up to date" : `applied ${applied.join(", ")}`);
  return 0;
}
