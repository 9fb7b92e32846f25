import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "./lock.mjs";
import { CHECKS_HASHES, npmCommand, runShown } from "./run-quietly.mjs";
import { StartError } from "./start-error.mjs";

/**
 * Tells whether node_modules matches package-lock.json on this platform. An install that somebody ran by hand
 * counts: npm's record of the installed packages is compared with the lock file, to avoid a second install.
 *
 * @param {string} root
 */
export function isInstalled(root) {
  const stamp = read(stampPath(root));
  if (stamp !== undefined && stamp === stampOf(root)) return true;
  const stampOfOtherPlatform = stamp !== undefined && !stamp.endsWith(` ${platform()}`);
  if (stampOfOtherPlatform || !agreesWithLock(root)) return false;
  writeFileSync(stampPath(root), stampOf(root));
  return true;
}

/**
 * Tells whether another command is installing dependencies, or was killed during an install.
 *
 * @param {string} root
 */
export function isInstalling(root) {
  return existsSync(lockPath(root));
}

/** Enough for hundreds of megabytes over a slow line. */
const INSTALL_WITHIN_MS = 1_800_000;

/**
 * Runs `npm ci`. If another command is already running it, waits for that one. Shows npm's output only on
 * failure.
 *
 * @param {string} root
 * @param {{ node: string, progress?: NodeJS.WritableStream & { isTTY?: boolean } }} options
 *   node: runs npm
 * @throws StartError if the install fails or is incomplete
 */
export async function install(root, { node, progress = process.stderr }) {
  const onWait = () => progress.write("waiting for another command to install the dependencies …\n");
  await withLock(
    lockPath(root),
    async ({ lost }) => {
      if (!isInstalled(root)) await runInstall(root, node, progress, lost);
    },
    { onWait },
  );
}

/**
 * @param {string} root
 * @param {string} node
 * @param {NodeJS.WritableStream & { isTTY?: boolean }} progress
 * @param {AbortSignal} signal
 */
async function runInstall(root, node, progress, signal) {
  // Overrides npm settings that omit packages: the build and the tests need all of them.
  const all = ["--include=dev", "--include=optional"];
  const command = [...npmCommand(node), "ci", CHECKS_HASHES, ...all, "--no-fund", "--no-audit"];
  const where = { cwd: root, node, withinMs: INSTALL_WITHIN_MS, signal };
  const code = await runShown(progress, "installing dependencies (npm ci)", command, where);
  if (code !== 0) {
    throw new StartError(
      `npm ci could not install the dependencies (exit code ${code}; its output is above): is the package registry reachable?`,
    );
  }
  if (!agreesWithLock(root)) {
    throw new StartError(
      "npm ci succeeded but left out packages of package-lock.json: check npm's settings for one that omits packages",
    );
  }
  writeFileSync(stampPath(root), stampOf(root));
}

/** @param {string} root */
function lockPath(root) {
  return join(root, ".cache/install.lock");
}

/** @param {string} root */
function stampPath(root) {
  return join(root, "node_modules", ".posthaste-installed");
}

/**
 * Identifies an install by the lock file, npm's record of the installed packages, and the platform. The stamp
 * changes when somebody prunes or adds packages by hand.
 *
 * @param {string} root
 */
function stampOf(root) {
  const hash = createHash("sha256").update(readFileSync(join(root, "package-lock.json")));
  hash.update(read(recordPath(root)) ?? "");
  return `${hash.digest("hex")} ${platform()}`;
}

/** @param {string} root */
function recordPath(root) {
  return join(root, "node_modules", ".package-lock.json");
}

/** Native packages are built per platform; none is built for a particular version of Node. */
function platform() {
  return `${process.platform}-${process.arch}`;
}

/** @param {string} root */
function agreesWithLock(root) {
  const installed = packagesIn(recordPath(root));
  const wanted = packagesIn(join(root, "package-lock.json"));
  if (installed === undefined || wanted === undefined) return false;
  const names = new Set([...Object.keys(installed), ...Object.keys(wanted)]);
  for (const name of names) {
    if (!name.includes("node_modules/")) continue;
    const [actual, expected] = [installed[name], wanted[name]];
    // The lock file also lists builds for other platforms.
    if (actual === undefined && expected?.optional) continue;
    if (actual === undefined || expected === undefined) return false;
    if (actual.version !== expected.version || actual.integrity !== expected.integrity) return false;
    if (!existsSync(join(root, name))) return false;
  }
  return true;
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }> | undefined}
 */
function packagesIn(path) {
  const text = read(path);
  return text === undefined ? undefined : JSON.parse(text).packages;
}

/** @param {string} path */
function read(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
