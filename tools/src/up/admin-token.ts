import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Refusal, SCOPES } from "@posthaste/domain";
import { Complaint } from "@posthaste/runtime/terminal";
import { authenticate, createAccount, createToken, listAccounts, type Store } from "@posthaste/store";

/**
 * A token that may do everything in the first account, which is made where there is none: the preset one, else the one
 * kept in the data folder, else a new one, which is kept there for its owner's eyes only.
 *
 * @throws Complaint where the preset one may not be used
 */
export async function adminToken(
  store: Store,
  { dataDir, preset, now }: { dataDir: string; preset: string | undefined; now: number },
): Promise<string> {
  if (preset !== undefined && preset !== "") {
    if (await makeUsable(store, preset, now)) return preset;
    throw new Complaint("POSTHASTE_ADMIN_TOKEN was revoked or has expired: set another, or unset it");
  }
  const path = join(dataDir, "admin-token");
  const kept = (await readFile(path, "utf8").catch(() => "")).trim();
  if (kept !== "" && (await makeUsable(store, kept, now))) return kept;
  const { secret } = await createToken(store, await adminOf(store, now));
  await writeFile(path, `${secret}\n`, { mode: 0o600 });
  return secret;
}

/** Stores the secret where it is new; false where it is known and of no use any more. */
async function makeUsable(store: Store, secret: string, now: number): Promise<boolean> {
  try {
    await createToken(store, { ...(await adminOf(store, now)), secret });
  } catch (error) {
    if (error instanceof Refusal) throw new Complaint(`the admin token cannot be used: ${error.message}`);
    throw error;
  }
  return (await authenticate(store, secret, now)) !== undefined;
}

async function adminOf(store: Store, now: number) {
  const [first] = await listAccounts(store, { limit: 1 });
  const account = first ?? (await createAccount(store, { name: "default", now }));
  return { accountId: account.id, name: "admin (npm run up)", scopes: [...SCOPES], expiresAt: null, now };
}
