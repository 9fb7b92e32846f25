import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isInstalling } from "./install.mjs";
import { withLock } from "./lock.mjs";
import { runQuietly, tethered } from "./run-quietly.mjs";
import { StartError } from "./start-error.mjs";
import { startTicker } from "./ticker.mjs";

/** The service and the packages that it imports; a test holds this to their package.json. */
export const BUILT_OF = ["services/operator", "packages/domain", "packages/runtime", "packages/store"];

/** The operator's command says the same once it runs; a test holds them to it. */
export const NO_DATABASE = "DATABASE_URL is not set: mysql://USER:PASSWORD@HOST:PORT/NAME, or sqlite:PATH";

/** Four packages on a machine that is busy with something else. */
const BUILD_WITHIN_MS = 600_000;

/**
 * @param {string} root
 * @param {string} command such as `migrate`
 * @returns {readonly string[]} for Node
 */
export function operatorArgs(root, command) {
  // Node 22 says of its SQLite that it may still change.
  return ["--disable-warning=ExperimentalWarning", mainPath(root), command];
}

/**
 * Whether the commands can be run as they are. In a clone that can build, a source that is newer than the build counts,
 * too: after a pull, `npm run migrate` would else apply the migrations of before and say that all is well.
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
 * Whether it is not built and cannot be: a production install has nothing to build with.
 *
 * @param {string} root
 */
export function isOperatorMissing(root) {
  if (!existsSync(join(root, "node_modules")) || isInstalling(root)) return false;
  return !canBuild(root) && !existsSync(mainPath(root));
}

/**
 * What would make the command fail once everything has been installed and built for it.
 *
 * @param {readonly string[]} args of the command
 * @returns {string | undefined} for a person
 */
export function whyNotPrepare(args) {
  const asksForHelp = args.some((arg) => /^(--help|-h|help)$/.test(arg));
  return process.env["DATABASE_URL"] || asksForHelp ? undefined : NO_DATABASE;
}

/**
 * Builds the operator's commands and what they import, unless another command does so at the moment: then it waits for
 * that. What the build says is kept, and shown only if it fails.
 *
 * @param {string} root
 * @param {{ node: string, progress?: NodeJS.WritableStream & { isTTY?: boolean } }} options node: that the build runs with
 * @throws StartError
 */
export async function buildOperator(root, { node, progress = process.stderr }) {
  const onWait = () => progress.write("another command builds services/operator: waiting …\n");
  await withLock(
    join(root, ".cache/build-operator.lock"),
    async () => {
      if (!isOperatorBuilt(root)) await runBuild(root, node, progress);
    },
    { onWait },
  );
}

/**
 * @param {string} root
 * @param {string} node
 * @param {NodeJS.WritableStream & { isTTY?: boolean }} progress
 */
async function runBuild(root, node, progress) {
  const startedAt = new Date();
  const ticker = startTicker(progress, "building services/operator");
  const build = [
    turboPath(root),
    "run",
    "build",
    "--filter=@posthaste/operator",
    "--output-logs=errors-only",
  ];
  /** @type {Awaited<ReturnType<typeof runQuietly>> | undefined} */
  let said;
  try {
    said = await runQuietly(tethered(build), {
      cwd: root,
      node,
      withinMs: BUILD_WITHIN_MS,
      env: { TURBO_TELEMETRY_DISABLED: "1" },
    });
  } finally {
    ticker.stop(said?.code === 0);
  }
  if (said.code !== 0 || !existsSync(mainPath(root))) {
    progress.write(`${said.output.trimEnd()}\n`);
    throw new StartError("services/operator could not be built; what the build said is above");
  }
  // Turbo leaves alone what came out the same. What is saved while it builds is newer than this.
  writeFileSync(stampPath(root), "");
  utimesSync(stampPath(root), startedAt, startedAt);
}

/** @param {string} root */
function mainPath(root) {
  return join(root, "services/operator/dist/main.js");
}

/**
 * Its time says how new the sources were that were built last.
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
 * When something in a folder changed last: a folder changes, too, where a file comes or goes.
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
