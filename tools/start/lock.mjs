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
 * process. When it resumes, it must end what it runs, and it leaves the other's lock in place.
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
  let seen = { at: 0, since: 0 };
  while (!take(path, token)) {
    if (seen.since === 0) onWait?.();
    const at = lastBeat(path);
    if (at !== seen.at) seen = { at, since: performance.now() };
    else if (performance.now() - seen.since > silentMs) rmSync(path, { recursive: true, force: true });
    await sleep(POLL_MS);
  }
  const lost = new AbortController();
  const confirm = () => requireHeld(path, token);
  const beating = setInterval(() => {
    if (isTakenOver(path, token)) lost.abort();
    else beat(path);
  }, BEAT_MS);
  try {
    return await run({ lost: lost.signal, confirm });
  } finally {
    clearInterval(beating);
    confirm();
    rmSync(path, { recursive: true, force: true });
  }
}

/**
 * @param {string} path
 * @param {string} token
 */
function requireHeld(path, token) {
  if (!isTakenOver(path, token)) return;
  throw new StartError(
    "this command was suspended, and another one has taken over its work: run it again when that one has ended",
  );
}

/**
 * Tells whether the lock has another holder. Without a holder, somebody removed it by hand, and its last
 * holder continues.
 *
 * @param {string} path
 * @param {string} token
 */
function isTakenOver(path, token) {
  try {
    return readFileSync(holderPath(path), "utf8") !== token;
  } catch {
    return false;
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
