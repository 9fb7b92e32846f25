import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

/*
 * A kept binary is a folder with two files: the program, and its SHA-256. The folder is made elsewhere and renamed into
 * place, so it is there whole or not at all. Where two processes make it at once, the later one uses what the first
 * left. A folder that does not match its hash is thrown away and made again.
 */

const HASH_FILE = "sha256";

/** The kept binary's path, where one is kept and undamaged. */
export async function cachedBinary(
  place: string,
  name: string,
  progress: (line: string) => void,
): Promise<string | undefined> {
  const path = join(place, name);
  const recorded = await readFile(join(place, HASH_FILE), "utf8").catch(() => undefined);
  if (recorded === undefined) return undefined;
  const actual = await sha256Of(path).catch(() => "unreadable");
  if (actual === recorded.trim()) return path;
  progress(`the kept copy of ${name} is damaged; getting it again`);
  await discard(place);
  return undefined;
}

/**
 * Keeps what `make` puts into the folder it is given.
 *
 * @param make resolves with the path of the program it made, inside that folder
 */
export async function keepBinary(
  place: string,
  name: string,
  make: (dir: string) => Promise<string>,
): Promise<string> {
  const scratch = `${place}.${randomUUID()}`;
  const whole = join(scratch, "whole");
  await mkdir(whole, { recursive: true });
  try {
    const work = join(scratch, "work");
    await mkdir(work);
    const made = await make(work);
    await rename(made, join(whole, name));
    await chmod(join(whole, name), 0o755);
    await writeFile(join(whole, HASH_FILE), `${await sha256Of(join(whole, name))}\n`);
    await moveInto(whole, place, name);
    return join(place, name);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function moveInto(whole: string, place: string, name: string): Promise<void> {
  await mkdir(dirname(place), { recursive: true });
  try {
    await rename(whole, place);
  } catch (error) {
    // Another process was first; what it left is as good as ours, if it is undamaged.
    if ((await cachedBinary(place, name, () => {})) !== undefined) return;
    await discard(place);
    await rename(whole, place).catch(() => {
      throw error;
    });
  }
}

/** Renames before it removes, so that nobody sees half a folder. */
async function discard(place: string): Promise<void> {
  const away = `${place}.${randomUUID()}`;
  await rename(place, away).catch(() => {
    // Somebody else was faster to throw it away.
  });
  await rm(away, { recursive: true, force: true });
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
