import { Complaint } from "@posthaste/runtime/terminal";
import { migrate } from "@posthaste/store";
import { withDatabase } from "./database-url.ts";

const USAGE = `npm run migrate

Brings the database that DATABASE_URL names up to date. It is safe to run while services use the
database, and safe to run twice at once.`;

export async function migrateCommand([argument]: readonly string[]): Promise<number> {
  if (argument === "--help" || argument === "-h") {
    console.log(USAGE);
    return 0;
  }
  if (argument !== undefined)
    throw new Complaint(`npm run migrate takes no arguments, but got "${argument}"`);
  const applied = await withDatabase(process.env, migrate);
  console.log(applied.length === 0 ? "the database is up to date" : `applied ${applied.join(", ")}`);
  return 0;
}
