import { accessSync, constants, mkdtempSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system in memory, on Linux. */
const IN_MEMORY = "/dev/shm";
/** What a run's databases come to is under one; the rest is for what else uses it. Containers often have 64 MiB. */
const FREE_BYTES = 4 * 1024 ** 3;

/**
 * A new directory for what need not outlive the machine: in memory where there is room, else where temporary files
 * go. A database in it flushes at no cost. Its files survive a killed process in either place.
 */
export function makeQuickDir(prefix: string): string {
  return mkdtempSync(join(hasRoomInMemory() ? IN_MEMORY : tmpdir(), prefix));
}

function hasRoomInMemory(): boolean {
  try {
    accessSync(IN_MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(IN_MEMORY);
    return bavail * bsize >= FREE_BYTES;
  } catch {
    // There is none on this system, or it is not ours to use.
    return false;
  }
}
