import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Complaint } from "@posthaste/runtime/terminal";
import { endKnown, isAlive, type KnownProcess, knownProcess } from "@posthaste/stack";

/*
 * DATA/run.json says which `up` uses the folder and what it started. It is created exclusively, so of two that start at
 * once one wins; and a file left by an `up` that was killed is told from a living one by the process's number and birth.
 */

/** A folder that is this process's alone until it is released. */
export type DataFolder = {
  readonly dir: string;
  /** Notes a process that must not outlive us; the next `up` ends it if we could not. */
  note(name: string, pid: number): Promise<void>;
  release(): Promise<void>;
};

type Run = { readonly up: KnownProcess; readonly started: readonly (KnownProcess & { name: string })[] };

/** What an orphan gets to write its state down, before it is killed. */
const ORPHAN_PATIENCE_MS = 15_000;

/**
 * Takes the folder, and ends what an earlier `up` was killed too hard to end.
 *
 * @throws Complaint where another `up` is using it
 */
export async function claimDataFolder(dir: string, progress: (line: string) => void): Promise<DataFolder> {
  await mkdir(join(dir, "logs"), { recursive: true, mode: 0o700 });
  const path = join(dir, "run.json");
  const up = knownProcess(process.pid);
  if (up === undefined) throw new Error("this process cannot see itself");
  let run: Run = { up, started: [] };

  for (;;) {
    if (await createExclusively(path, run)) break;
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const earlier = parseRun(text);
    if (earlier !== undefined && isAlive(earlier.up)) {
      throw new Complaint(
        `another \`up\` (process ${earlier.up.pid}) is using ${dir}: stop that one, or give this one its own folder with --data`,
      );
    }
    await putAway(path, text);
    for (const orphan of earlier?.started ?? []) {
      if (!isAlive(orphan)) continue;
      progress(`ending the ${orphan.name} (process ${orphan.pid}) that an earlier run left behind`);
      await endKnown(orphan, ORPHAN_PATIENCE_MS);
    }
  }

  return {
    dir,
    async note(name, pid) {
      const known = knownProcess(pid);
      if (known === undefined) return;
      run = { up: run.up, started: [...run.started, { name, ...known }] };
      const next = `${path}.${randomUUID()}`;
      await writeFile(next, JSON.stringify(run), { mode: 0o600 });
      await rename(next, path);
    },
    release: () => rm(path, { force: true }),
  };
}

/** By a link to a finished file, so that nobody ever reads half of it. */
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

/** Removes the file that was judged dead, and not one that somebody else has put there since. */
async function putAway(path: string, judged: string): Promise<void> {
  const away = `${path}.${randomUUID()}`;
  await rename(path, away).catch(() => {
    // Another `up` was faster; the next round meets its file.
  });
  const text = await readFile(away, "utf8").catch(() => undefined);
  if (text !== undefined && text !== judged) await rename(away, path);
  else await rm(away, { force: true });
}

/** Undefined for a file that a crash cut off: it has no living owner. */
function parseRun(text: string): Run | undefined {
  try {
    return JSON.parse(text) as Run;
  } catch {
    return undefined;
  }
}
