import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const KEY_BYTES = 32;

/**
 * POSTHASTE_SECRET_KEYS as it is set, else the key kept in the data folder, else a new one, which is kept there for its
 * owner's eyes only. Without it, the secrets in the same folder's database are lost.
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
  const made = `local:${randomBytes(KEY_BYTES).toString("base64")}`;
  await writeFile(path, `${made}\n`, { mode: 0o600 });
  return made;
}
