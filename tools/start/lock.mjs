import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
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
 * @typedef Hold
 * @property {AbortSignal} lost aborts within a second after another process has taken over the lock
 * @property {() => void} confirm throws StartError if another process has taken over the lock: to call before
 *   the work is published
 */

/**
 * Runs a function under a lock that is shared between processes. The lock is a folder; its holder refreshes
 * the folder's time to show that it is alive. A process ID would not do: in another container it may name
 * another process.
 *
 * A holder that is suspended for longer than that (Ctrl-Z, a paused container) loses the lock to a waiting
 * process. When it resumes, it must end what it runs, and it leaves the other's lock in place. A program that
 * resumes with it may do harm for a second before it is ended.
 *
 * @template T
 * @param {string} path
 * @param {(hold: Hold) => Promise<T>} run
 * @param {{ silentMs?: number, onWait?: () => void }} options silentMs: when to take over a lock that is not
 *   refreshed, 20 s by default; onWait: called once if another process holds the lock
 * @returns {Promise<T>}
 * @throws StartError if the folder cannot be created, or another process has taken over the lock
 */
export async function withLock(path, run, { silentMs = SILENT_MS, onWait } = {}) {
  const token = randomUUID();
  /** @type {{ at: number, since: number } | undefined} */
  let seen;
  while (!take(path, token)) {
    if (seen === undefined) onWait?.();
    const at = lastBeat(path);
    if (at !== seen?.at) seen = { at, since: performance.now() };
    else if (performance.now() - seen.since > silentMs) rmSync(path, { recursive: true, force: true });
    await sleep(POLL_MS);
  }
  const lost = new AbortController();
  let beatAt = performance.now();
  // After such a silence, a lock that is gone was taken over, and its next holder has ended.
  const isLost = () =>
    lost.signal.aborted || isTakenOver(path, token, performance.now() - beatAt > silentMs / 2);
  const confirm = () => {
    if (isLost()) throw new StartError(LOST);
  };
  const beating = setInterval(() => {
    if (isLost()) return lost.abort();
    beatAt = performance.now();
    beat(path);
  }, BEAT_MS);
  try {
    return await run({ lost: lost.signal, confirm });
  } finally {
    clearInterval(beating);
    confirm();
    rmSync(path, { recursive: true, force: true });
  }
}

const LOST =
  "this command was suspended, and another one has taken over its work: run it again when that one has ended";

/**
 * Tells whether the lock has another holder. If it has none, somebody removed it by hand and its last holder
 * continues, unless that one was silent.
 *
 * @param {string} path
 * @param {string} token
 * @param {boolean} wasSilent
 */
function isTakenOver(path, token, wasSilent) {
  try {
    return readFileSync(holderPath(path), "utf8") !== token;
  } catch {
    return wasSilent;
  }
}

/** @param {string} path */
function holderPath(path) {
  return join(path, "holder");
}

/**
 * @param {string} path
 * @param {string} token
 */
function take(path, token) {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return create(path, token);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    throw new StartError(`${dirname(path)} is not writable (${code}): the commands keep their files there`);
  }
}

/**
 * @param {string} path
 * @param {string} token
 */
function create(path, token) {
  try {
    mkdirSync(path);
    writeFileSync(holderPath(path), token, { flag: "wx" });
    return true;
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    // ENOENT: another process removed the folder, which it took for an old one.
    if (code === "EEXIST" || code === "ENOENT") return false;
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
