import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Linux's file system in memory. */
const IN_MEMORY = "/dev/shm";
/**
 * The free space required there. A run's databases need less than 1 GiB; containers often have 64 MiB in all.
 */
const FREE_BYTES = 4 * 1024 ** 3;
const PREFIX = "posthaste-";

/**
 * Creates a directory for files that need not survive a reboot: in memory if enough is free, else in the
 * folder for temporary files. In memory, a database's flushes cost nothing. In both, the files survive
 * a killed process.
 *
 * @param name the purpose, in lower-case letters
 * @returns the directory's path
 */
export function makeQuickDir(name: string): string {
  return mkdtempSync(join(hasRoomInMemory() ? IN_MEMORY : tmpdir(), `${PREFIX}${name}-${process.pid}-`));
}

/**
 * Removes the directories in memory that killed processes have left. Otherwise they stay until
 * the next reboot.
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
    // EPERM means that the process exists and belongs to another user.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function hasRoomInMemory(): boolean {
  try {
    accessSync(IN_MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(IN_MEMORY);
    return bavail * bsize >= FREE_BYTES;
  } catch {
    // This system has none, or this process may not use it.
    return false;
  }
}
