import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

/*
 * A cached binary is a folder with two files: the program and its SHA-256. The folder is built elsewhere and
 * renamed into place, so it is complete or absent. If two processes build it at once, the later one uses the
 * first one's folder. A folder whose program does not match the hash is removed and built again.
 */

const HASH_FILE = "sha256";

/** Returns the path of the cached binary, or undefined if there is none. Removes a damaged one. */
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
  progress(`the cached copy of ${name} is damaged: fetching it again`);
  await discard(place);
  return undefined;
}

/**
 * Builds a binary in a scratch folder and moves it into the cache.
 *
 * @param place the binary's folder in the cache
 * @param build puts the program into the folder that it gets, and resolves with the program's path
 * @returns the path of the cached binary
 */
export async function keepBinary(
  place: string,
  name: string,
  build: (dir: string) => Promise<string>,
): Promise<string> {
  const scratch = `${place}.${randomUUID()}`;
  const whole = join(scratch, "whole");
  await mkdir(whole, { recursive: true });
  try {
    const work = join(scratch, "work");
    await mkdir(work);
    const built = await build(work);
    await rename(built, join(whole, name));
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
    // Another process was first: its binary serves as well, if it is undamaged.
    if ((await cachedBinary(place, name, () => {})) !== undefined) return;
    await discard(place);
    await rename(whole, place).catch(() => {
      throw error;
    });
  }
}

/** Removes a folder. It is renamed first, so that no process sees half of it. */
async function discard(place: string): Promise<void> {
  const discarded = `${place}.${randomUUID()}`;
  await rename(place, discarded).catch(() => {
    // Another process has removed it.
  });
  await rm(discarded, { recursive: true, force: true });
}

/** Returns the SHA-256 of a file, in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
