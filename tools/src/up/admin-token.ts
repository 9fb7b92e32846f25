import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Refusal, SCOPES } from "@posthaste/domain";
import { Complaint } from "@posthaste/runtime/terminal";
import {
  authenticate,
  type By,
  createAccount,
  createToken,
  listAccounts,
  requirePresetForm,
  type Store,
} from "@posthaste/store";

/**
 * Checks the form of the preset token, before anything is started for it.
 *
 * @throws Complaint that names the variable
 */
export function requirePresetToken(preset: string | undefined): void {
  if (preset === undefined || preset === "") return;
  try {
    requirePresetForm(preset);
  } catch (error) {
    throw error instanceof Refusal ? new Complaint(`POSTHASTE_ADMIN_TOKEN: ${error.message}`) : error;
  }
}

/**
 * Returns a token with every scope for the first account: the preset token, or else the token kept in the
 * data folder, or else a new token. A new token is kept in the data folder, readable only by its owner.
 * Creates the account if there is none.
 *
 * @throws Complaint if the preset token cannot be used
 */
export async function adminToken(
  store: Store,
  { dataDir, preset, now }: { dataDir: string; preset: string | undefined; now: number },
): Promise<string> {
  if (preset !== undefined && preset !== "") {
    if (await ensureUsable(store, preset, now)) return preset;
    throw new Complaint("POSTHASTE_ADMIN_TOKEN was revoked or has expired: set another, or unset it");
  }
  const path = join(dataDir, "admin-token");
  const kept = (await readFile(path, "utf8").catch(() => "")).trim();
  if (kept !== "" && (await ensureUsable(store, kept, now))) return kept;
  const { secret } = await createToken(store, await adminOf(store, now));
  await writeFile(path, `${secret}\n`, { mode: 0o600 });
  return secret;
}

/** Creates the token if it is new. Returns false if it was revoked or has expired. */
async function ensureUsable(store: Store, secret: string, now: number): Promise<boolean> {
  try {
    await createToken(store, { ...(await adminOf(store, now)), secret });
  } catch (error) {
    if (error instanceof Refusal) throw new Complaint(`the admin token cannot be used: ${error.message}`);
    throw error;
  }
  return (await authenticate(store, secret, now)) !== undefined;
}

const BY_UP: By = { actor: "operator", action: "npm run up" };

async function adminOf(store: Store, now: number) {
  const [first] = await listAccounts(store, { limit: 1 });
  const account = first ?? (await createAccount(store, { name: "default", now, by: BY_UP }));
  const token = { name: "admin (npm run up)", scopes: [...SCOPES], expiresAt: null };
  return { accountId: account.id, ...token, now, by: BY_UP };
}
