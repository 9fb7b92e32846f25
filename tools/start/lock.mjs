import { mkdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StartError } from "./start-error.mjs";

/** How often the holder refreshes the lock folder's time. */
const BEAT_MS = 1_000;
/**
 * A holder that has not refreshed the lock for this long counts as killed. The bound is generous because a
 * busy machine may delay a living holder.
 */
const SILENT_MS = 20_000;
const POLL_MS = 200;

/**
 * Runs a function under a lock that is shared between processes. The lock is a folder; its holder refreshes
 * the folder's time to show that it is alive. A process ID would not do: in another container it may name
 * another process.
 *
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} run
 * @param {{ silentMs?: number, onWait?: () => void }} options silentMs: when to take over a lock that is not
 *   refreshed, 20 s by default; onWait: called once if another process holds the lock
 * @returns {Promise<T>}
 * @throws StartError if the folder cannot be created
 */
export async function withLock(path, run, { silentMs = SILENT_MS, onWait } = {}) {
  let seen = { at: 0, since: 0 };
  while (!take(path)) {
    if (seen.since === 0) onWait?.();
    const at = lastBeat(path);
    if (at !== seen.at) seen = { at, since: performance.now() };
    else if (performance.now() - seen.since > silentMs) rmSync(path, { recursive: true, force: true });
    await sleep(POLL_MS);
  }
  const beating = setInterval(() => beat(path), BEAT_MS);
  try {
    return await run();
  } finally {
    clearInterval(beating);
    rmSync(path, { recursive: true, force: true });
  }
}

/** @param {string} path */
function take(path) {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return create(path);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    throw new StartError(`${dirname(path)} is not writable (${code}): the commands keep their files there`);
  }
}

/** @param {string} path */
function create(path) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
}

/** @param {string} path */
function lastBeat(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** @param {string} path */
function beat(path) {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // Somebody removed the lock by hand; the holder continues.
  }
}
