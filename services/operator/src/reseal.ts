import { Complaint } from "@posthaste/runtime/terminal";
import { resealSecrets } from "@posthaste/store";
import { withDatabase } from "./database-url.ts";

const USAGE = `npm run reseal

Seals every secret in the database that DATABASE_URL names with the first key of POSTHASTE_SECRET_KEYS, so that the keys
after it can be taken away. Put the new key first and restart the services before. Safe while services run, and safe to
run twice.`;

export async function resealCommand([argument]: readonly string[]): Promise<number> {
  if (argument === "--help" || argument === "-h") {
    console.log(USAGE);
    return 0;
  }
  if (argument !== undefined) throw new Complaint(`npm run reseal takes no arguments, and got "${argument}"`);
  const resealed = await withDatabase(process.env, resealSecrets);
  console.log(resealed === 0 ? "every secret is sealed with the first key" : `sealed ${resealed} anew`);
  return 0;
}
