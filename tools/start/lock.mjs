import { mkdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StartError } from "./start-error.mjs";

/** How often the holder says that it is still there. */
const BEAT_MS = 1_000;
/**
 * Without a word for so long, it was killed. It is a process of its own that says it, so a busy machine may
 * take some.
 */
const SILENT_MS = 20_000;
const LOOK_MS = 200;

/**
 * Runs something while no other process does that holds the same lock: a folder, whose time tells that its
 * holder is there. Not its number, which may be another process's in another container.
 *
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} run
 * @param {{ silentMs?: number, onWait?: () => void }} options onWait: called once, where somebody else holds it
 * @returns {Promise<T>}
 * @throws StartError where the folder cannot be made
 */
export async function withLock(path, run, { silentMs = SILENT_MS, onWait } = {}) {
  let seen = { at: 0, since: 0 };
  while (!take(path)) {
    if (seen.since === 0) onWait?.();
    const at = lastBeat(path);
    if (at !== seen.at) seen = { at, since: performance.now() };
    else if (performance.now() - seen.since > silentMs) rmSync(path, { recursive: true, force: true });
    await sleep(LOOK_MS);
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
    return make(path);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    throw new StartError(`${dirname(path)} cannot be written to (${code}): it keeps what the commands need`);
  }
}

/** @param {string} path */
function make(path) {
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
    // Somebody took it away by hand. What runs goes on.
  }
}
