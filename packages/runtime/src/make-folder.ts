import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Creates a folder and those above it, unless they exist.
 *
 * Node's own recursive call never returns where a folder exists but takes no new ones, as below `/proc`: it
 * takes ENOENT for a missing parent, and tries to create that again and again.
 *
 * @param mode the permissions of new folders. Default: what the process's umask allows
 * @throws the system's error
 */
export function makeFolder(path: string, mode?: number): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(path).isDirectory()) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path || existsSync(parent)) throw error;
    makeFolder(parent, mode);
    makeFolder(path, mode);
  }
}
