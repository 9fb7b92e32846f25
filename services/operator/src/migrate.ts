import { askedForHelp } from "@posthaste/runtime/terminal";
import { migrate } from "@posthaste/store";
import { withDatabase } from "./database-url.ts";

const ABOUT = `Brings the database that DATABASE_URL names up to date. It is safe to run while services use the
database, and safe to run twice at once.`;

export async function migrateCommand(args: readonly string[]): Promise<number> {
  if (askedForHelp("migrate", ABOUT, args)) return 0;
  const applied = await withDatabase(process.env, migrate);
  console.log(applied.length === 0 ? "the database is up to date" : `applied ${applied.join(", ")}`);
  return 0;
}
