import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isInstalling } from "./install.mjs";
import { withLock } from "./lock.mjs";
import { runShown, tethered } from "./run-quietly.mjs";
import { StartError } from "./start-error.mjs";

/** The service and the workspace packages it imports; a test compares the list with their package.json. */
export const BUILT_OF = ["services/operator", "packages/domain", "packages/runtime", "packages/store"];

/** The operator's own message for the same mistake; a test keeps the two equal. */
export const NO_DATABASE = "DATABASE_URL is not set: mysql://USER:PASSWORD@HOST:PORT/NAME, or sqlite:PATH";

/** Enough for four packages on a busy machine. */
const BUILD_WITHIN_MS = 600_000;

/**
 * @param {string} root
 * @param {string} command such as `migrate`
 * @returns {readonly string[]} for Node
 */
export function operatorArgs(root, command) {
  // Node 22 warns that its SQLite module is experimental.
  return ["--disable-warning=ExperimentalWarning", mainPath(root), command];
}

/**
 * Tells whether the operator's commands are built. If the clone can build, the build must also be newer than
 * the sources: after a pull, `npm run migrate` would otherwise apply the old migrations and report success.
 *
 * @param {string} root
 */
export function isOperatorBuilt(root) {
  if (!existsSync(mainPath(root))) return false;
  if (!canBuild(root)) return true;
  const builtAt = Math.max(changedAt(mainPath(root)), changedAt(stampPath(root)));
  return BUILT_OF.every((folder) => newestIn(join(root, folder, "src")) <= builtAt);
}

/**
 * Tells whether the operator's commands are neither built nor buildable, as in a production install without
 * the build tools.
 *
 * @param {string} root
 */
export function isOperatorMissing(root) {
  if (!existsSync(join(root, "node_modules")) || isInstalling(root)) return false;
  return !canBuild(root) && !existsSync(mainPath(root));
}

/**
 * Explains why the command would fail even after everything is installed and built for it.
 *
 * @param {readonly string[]} args of the command
 * @returns {string | undefined} a message for the user; undefined if nothing is missing
 */
export function whyNotPrepare(args) {
  const asksForHelp = args.some((arg) => /^(--help|-h|help)$/.test(arg));
  return process.env["DATABASE_URL"] || asksForHelp ? undefined : NO_DATABASE;
}

/**
 * Builds the operator's commands and the packages they import. If another command is already building them,
 * waits for that one. Shows the build's output only on failure.
 *
 * @param {string} root
 * @param {{ node: string, progress?: NodeJS.WritableStream & { isTTY?: boolean } }} options
 *   node: runs the build
 * @throws StartError if the build fails
 */
export async function buildOperator(root, { node, progress = process.stderr }) {
  const onWait = () => progress.write("waiting for another command to build services/operator …\n");
  await withLock(
    join(root, ".cache/build-operator.lock"),
    async ({ lost }) => {
      if (!isOperatorBuilt(root)) await runBuild(root, node, progress, lost);
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
async function runBuild(root, node, progress, signal) {
  const startedAt = new Date();
  const build = [
    turboPath(root),
    "run",
    "build",
    "--filter=@posthaste/operator",
    "--output-logs=errors-only",
  ];
  const code = await runShown(progress, "building services/operator", tethered(build), {
    cwd: root,
    node,
    withinMs: BUILD_WITHIN_MS,
    signal,
    env: { TURBO_TELEMETRY_DISABLED: "1" },
  });
  if (code !== 0 || !existsSync(mainPath(root))) {
    throw new StartError("services/operator could not be built; the build's output is above");
  }
  // Turbo does not rewrite unchanged output, so a stamp records the time of the build. It is the build's
  // start: a source that is saved during the build counts as newer.
  writeFileSync(stampPath(root), "");
  utimesSync(stampPath(root), startedAt, startedAt);
}

/** @param {string} root */
function mainPath(root) {
  return join(root, "services/operator/dist/main.js");
}

/**
 * The stamp's time is the start of the last build.
 *
 * @param {string} root
 */
function stampPath(root) {
  return join(root, ".cache/operator-built");
}

/** @param {string} root */
function turboPath(root) {
  return join(root, "node_modules/.bin/turbo");
}

/** @param {string} root */
function canBuild(root) {
  return existsSync(turboPath(root));
}

/**
 * Returns the time of the last change in a folder, in milliseconds. Folders count as well: a folder's time
 * changes when a file in it is added or removed.
 *
 * @param {string} folder
 */
function newestIn(folder) {
  if (!existsSync(folder)) return 0;
  const names = ["", ...readdirSync(folder, { recursive: true })].map(String);
  return Math.max(...names.map((name) => changedAt(join(folder, name))));
}

/** @param {string} path */
function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
