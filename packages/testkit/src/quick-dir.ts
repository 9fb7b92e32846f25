import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system in memory, on Linux. */
const IN_MEMORY = "/dev/shm";
/**
 * What a run's databases come to is under one; the rest is for what else uses it. Containers often have 64
 * MiB.
 */
const FREE_BYTES = 4 * 1024 ** 3;
const PREFIX = "posthaste-";

/**
 * A new directory for what need not outlive the machine: in memory where there is room, else where temporary
 * files go. A database in it flushes at no cost. Its files survive a killed process in either place.
 *
 * @param name what it is for, in small letters
 */
export function makeQuickDir(name: string): string {
  return mkdtempSync(join(hasRoomInMemory() ? IN_MEMORY : tmpdir(), `${PREFIX}${name}-${process.pid}-`));
}

/**
 * Removes from memory what processes that were killed have left there: it would stay until the machine is
 * started anew.
 */
export function removeLeftQuickDirs(memory: string = IN_MEMORY): void {
  if (!existsSync(memory)) return;
  for (const entry of readdirSync(memory)) {
    const pid = new RegExp(`^${PREFIX}[a-z]+-(\\d+)-`).exec(entry)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    rmSync(join(memory, entry), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's, and there.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
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
