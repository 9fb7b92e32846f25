import { askedForHelp, Complaint } from "@posthaste/runtime/terminal";
import { readTime, resealSecrets } from "@posthaste/store";
import { byCommand } from "./by-command.ts";
import { withDatabase } from "./database-url.ts";

const ABOUT = `Seals every secret in the database that DATABASE_URL names with the first key of POSTHASTE_SECRET_KEYS.
After that, the other keys can be removed. Every service must have the first key before you run it: one
that lacks it sends nothing that needs a resealed secret. See Keys in docs/operations.md for the steps.
It is safe to run while services use the database, and safe to repeat.`;

export async function resealCommand(args: readonly string[]): Promise<number> {
  if (askedForHelp("reseal", ABOUT, args)) return 0;
  if (!process.env["POSTHASTE_SECRET_KEYS"]) {
    throw new Complaint("POSTHASTE_SECRET_KEYS is not set: its first key seals the secrets");
  }
  const resealed = await withDatabase(process.env, async (store) => {
    return await resealSecrets(store, { now: await readTime(store), by: byCommand("npm run reseal") });
  });
  console.log(
    resealed === 0
      ? "every secret is sealed with the first key"
      : `secrets resealed with the first key: ${resealed}`,
  );
  return 0;
}
