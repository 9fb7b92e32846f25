import { randomUUID } from "node:crypto";
import { chmodSync, readdirSync, realpathSync, statSync } from "node:fs";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { makeFolder } from "@posthaste/runtime";
import { Complaint } from "@posthaste/runtime/terminal";
import { endKnown, isAlive, type KnownProcess, knownProcess } from "@posthaste/stack";

/*
 * DATA/run.json records which `up` uses the folder and the processes it started. The file is created
 * exclusively, so only one of two simultaneous starts succeeds. The process's ID and start time tell whether
 * the `up` that wrote the file is still alive.
 */

/** A folder that belongs to this process until it is released. */
export type DataFolder = {
  readonly dir: string;
  /** Records a started process. If this `up` is killed before it ends that process, the next `up` ends it. */
  note(name: string, pid: number): Promise<void>;
  release(): Promise<void>;
};

type Run = { readonly up: KnownProcess; readonly started: readonly (KnownProcess & { name: string })[] };

/** The time that a left-behind process gets to save its state before it is killed. */
const ORPHAN_PATIENCE_MS = 15_000;

/**
 * Claims the folder, closes it to other users, and ends the processes that an earlier, killed `up` left
 * behind.
 *
 * @throws Complaint if the folder cannot be created or closed, other users may need it, or another `up` is
 *   using it
 */
export async function claimDataFolder(dir: string, progress: (line: string) => void): Promise<DataFolder> {
  createFolder(dir);
  requireOwn(dir);
  const path = join(dir, "run.json");
  const up = knownProcess(process.pid);
  if (up === undefined) throw new Error("this process is not in the system's list of processes");
  let run: Run = { up, started: [] };
  await claim(path, run, progress);
  const release = () => rm(path, { force: true });
  try {
    closeFolder(dir, progress);
    createFolder(join(dir, "logs"));
  } catch (error) {
    await release();
    throw error;
  }

  return {
    dir,
    async note(name, pid) {
      const known = knownProcess(pid);
      if (known === undefined) return;
      run = { up: run.up, started: [...run.started, { name, ...known }] };
      const next = `${path}.${randomUUID()}`;
      try {
        await writeFile(next, JSON.stringify(run), { mode: 0o600 });
        await rename(next, path);
      } finally {
        await rm(next, { force: true });
      }
    },
    release,
  };
}

async function claim(path: string, run: Run, progress: (line: string) => void): Promise<void> {
  for (;;) {
    if (await createExclusively(path, run)) return;
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const earlier = parseRun(text);
    if (earlier !== undefined && isAlive(earlier.up)) {
      throw new Complaint(
        `another \`up\` (process ${earlier.up.pid}) is using ${dirname(path)}: stop it, or choose another folder with --data`,
      );
    }
    await removeStale(path, text);
    for (const orphan of earlier?.started ?? []) {
      if (!isAlive(orphan)) continue;
      progress(`ending the ${orphan.name} (process ${orphan.pid}) that an earlier run left behind`);
      await endKnown(orphan, ORPHAN_PATIENCE_MS);
    }
  }
}

function createFolder(dir: string): void {
  try {
    makeFolder(dir, 0o700);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Complaint(`${dir} cannot be created (${code}): choose another folder with --data`);
  }
}

/** The codes with which the system and SQLite say that there is no room, or none for this user. */
const DISK_FULL = ["ENOSPC", "EDQUOT", "SQLITE_FULL"];

/** Returns a Complaint instead of an error that says that the folder's disk is full. */
export function inWords(error: unknown, dir: string): unknown {
  const isDiskFull = error instanceof Error && "code" in error && DISK_FULL.includes(String(error.code));
  if (!isDiskFull) return error;
  return new Complaint(`the disk of ${dir} is full: make room, or choose another folder with --data`);
}

/** The permissions of everybody but the owner. */
const OF_OTHERS = 0o077;
/** In a folder with this bit, such as /tmp, several users have files. */
const STICKY = 0o1000;
/** How the names of what an `up` keeps begin. Some have an ending, such as those of SQLite's log. */
const OURS = [
  "admin-token",
  "demo-receiver-port",
  "logs",
  "posthaste.db",
  "run.json",
  "secret-keys",
  "temporal-profile.toml",
  "temporal.db",
];

/**
 * Refuses a folder that other users may read, and may need: closing a system's folder, a home or a project
 * would take it from them.
 *
 * @throws Complaint
 */
function requireOwn(dir: string): void {
  const { mode } = statSync(dir);
  if ((mode & OF_OTHERS) === 0) return;
  if (mode & STICKY || realpathSync(dir) === realpathSync(homedir())) {
    throw new Complaint(`other users may read ${dir}, and need it: choose a folder of its own with --data`);
  }
  const other = readdirSync(dir).find((name) => !OURS.some((ours) => name.startsWith(ours)));
  if (other === undefined) return;
  throw new Complaint(
    `other users may read ${dir}, and it has other files than an \`up\` keeps (${other}): close it with ` +
      "chmod 700, or choose a folder of its own with --data",
  );
}

/**
 * Takes the folder from other users, since it holds the token, the sealing keys and all data. What is in it
 * may have any permissions then.
 */
function closeFolder(dir: string, progress: (line: string) => void): void {
  const before = statSync(dir);
  if ((before.mode & OF_OTHERS) === 0) return;
  try {
    chmodSync(dir, before.mode & 0o700);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Complaint(
      `other users may read ${dir}, and it cannot be closed to them (${code}): choose another folder with --data`,
    );
  }
  const was = (before.mode & 0o777).toString(8);
  const isOpen = (statSync(dir).mode & OF_OTHERS) !== 0;
  progress(
    isOpen
      ? `warning: other users may read ${dir}: its file system keeps no permissions`
      : `closed ${dir} to other users (it was open: ${was})`,
  );
}

/**
 * Creates the file as a link to a complete file, so that no reader sees a partial one. False if it exists.
 */
async function createExclusively(path: string, run: Run): Promise<boolean> {
  const finished = `${path}.${randomUUID()}`;
  await writeFile(finished, JSON.stringify(run), { mode: 0o600 });
  try {
    await link(finished, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(finished, { force: true });
  }
}

/** Removes the file with the given text, but not a file that another `up` has created since. */
async function removeStale(path: string, stale: string): Promise<void> {
  const away = `${path}.${randomUUID()}`;
  await rename(path, away).catch(() => {
    // Another `up` has removed it already.
  });
  const text = await readFile(away, "utf8").catch(() => undefined);
  if (text !== undefined && text !== stale) await rename(away, path);
  else await rm(away, { force: true });
}

/** Returns undefined for a truncated file. Only a crash leaves one, so its owner is dead. */
function parseRun(text: string): Run | undefined {
  try {
    return JSON.parse(text) as Run;
  } catch {
    return undefined;
  }
}
