import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const KEY_BYTES = 32;

/**
 * Returns the preset POSTHASTE_SECRET_KEYS, or else the key kept in the data folder, or else a new key. A new
 * key is kept in the data folder, readable only by its owner. If it is lost, so are the secrets in the
 * folder's database.
 */
export async function secretKeys({
  dataDir,
  preset,
}: {
  dataDir: string;
  preset: string | undefined;
}): Promise<string> {
  if (preset !== undefined && preset !== "") return preset;
  const path = join(dataDir, "secret-keys");
  const kept = (await readFile(path, "utf8").catch(() => "")).trim();
  if (kept !== "") return kept;
  const created = `local:${randomBytes(KEY_BYTES).toString("base64")}`;
  await writeFile(path, `${created}\n`, { mode: 0o600 });
  return created;
}
