import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "./lock.mjs";
import { npmCommand, runQuietly } from "./run-quietly.mjs";
import { StartError } from "./start-error.mjs";
import { startTicker } from "./ticker.mjs";

/**
 * Whether node_modules is what package-lock.json asks for, on this platform. True as well where somebody ran
 * npm by hand: npm's own record of what it installed is then held against the lock, so that nothing is
 * installed twice.
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
 * Whether another command installs at the moment, or was killed while it did.
 *
 * @param {string} root
 */
export function isInstalling(root) {
  return existsSync(lockPath(root));
}

/** Hundreds of megabytes, over a slow line as well. */
const INSTALL_WITHIN_MS = 1_800_000;

/**
 * Runs `npm ci`, unless another command does so at the moment: then it waits for that. What npm says is kept,
 * and shown only if it fails.
 *
 * @param {string} root
 * @param {{ node: string, progress?: NodeJS.WritableStream & { isTTY?: boolean } }} options node: that npm is run with
 * @throws StartError
 */
export async function install(root, { node, progress = process.stderr }) {
  const onWait = () => progress.write("another command installs the dependencies: waiting …\n");
  await withLock(
    lockPath(root),
    async () => {
      if (!isInstalled(root)) await runInstall(root, node, progress);
    },
    { onWait },
  );
}

/**
 * @param {string} root
 * @param {string} node
 * @param {NodeJS.WritableStream & { isTTY?: boolean }} progress
 */
async function runInstall(root, node, progress) {
  const ticker = startTicker(progress, "installing dependencies (npm ci)");
  // All of it, also where npm is told to leave something out: build and tests are among it.
  const all = ["--include=dev", "--include=optional"];
  const command = [...npmCommand(node), "ci", ...all, "--no-fund", "--no-audit"];
  /** @type {Awaited<ReturnType<typeof runQuietly>> | undefined} */
  let said;
  try {
    said = await runQuietly(command, { cwd: root, node, withinMs: INSTALL_WITHIN_MS });
  } finally {
    ticker.stop(said?.code === 0);
  }
  const { code, output } = said;
  if (code !== 0) {
    progress.write(`${output.trimEnd()}\n`);
    throw new StartError(
      `the dependencies could not be installed (npm ci, exit code ${code}; what it said is above): is the package registry reachable?`,
    );
  }
  if (!agreesWithLock(root)) {
    throw new StartError(
      "npm ci went well and left out what package-lock.json names: is it told to, in one of its own settings?",
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
 * Of what is asked for, and of npm's own record of what is there: it changes when somebody prunes or adds by
 * hand.
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

/** Programs come compiled for one of these; nothing is compiled for a version of Node. */
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
    const [here, there] = [installed[name], wanted[name]];
    // Other platforms' builds are in the lock and not here.
    if (here === undefined && there?.optional) continue;
    if (here === undefined || there === undefined) return false;
    if (here.version !== there.version || here.integrity !== there.integrity) return false;
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
