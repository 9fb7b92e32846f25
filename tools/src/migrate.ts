import { migrate } from "@posthaste/store";
import { withDatabase } from "./processes/database-url.ts";
import { Complaint, runMain } from "./terminal/complaint.ts";

const USAGE = `npm run migrate

Brings the database that DATABASE_URL names up to date. Safe while services run on it, and safe to run twice at once.`;

await runMain(async () => {
  const [argument] = process.argv.slice(2);
  if (argument === "--help" || argument === "-h") {
    console.log(USAGE);
    return 0;
  }
  if (argument !== undefined)
    throw new Complaint(`npm run migrate takes no arguments, and got "${argument}"`);
  const applied = await withDatabase(process.env, migrate);
  console.log(applied.length === 0 ? "the database is up to date" : `applied ${applied.join(", ")}`);
  return 0;
});
