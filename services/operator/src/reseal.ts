import { Complaint } from "@posthaste/runtime/terminal";
import { resealSecrets } from "@posthaste/store";
import { withDatabase } from "./database-url.ts";

const USAGE = `npm run reseal

Seals every secret in the database that DATABASE_URL names with the first key of POSTHASTE_SECRET_KEYS.
After that, the other keys can be removed. Before you run it, put the new key first and restart the
services. It is safe to run while services use the database, and safe to repeat.`;

export async function resealCommand([argument]: readonly string[]): Promise<number> {
  if (argument === "--help" || argument === "-h") {
    console.log(USAGE);
    return 0;
  }
  if (argument !== undefined) throw new Complaint(`npm run reseal takes no arguments, but got "${argument}"`);
  const resealed = await withDatabase(process.env, resealSecrets);
  console.log(
    resealed === 0
      ? "every secret is sealed with the first key"
      : `secrets resealed with the first key: ${resealed}`,
  );
  return 0;
}
