import { randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { withLock } from "./lock.mjs";
import { SUPPORTED } from "./node-version.mjs";
import { PINNED } from "./pinned-nodes.mjs";
import { CHECKS_HASHES, npmCommand, runQuietly } from "./run-quietly.mjs";
import { StartError } from "./start-error.mjs";

const BY_HAND = `install ${SUPPORTED}, from nodejs.org or with your version manager`;

/** Enough for 50 MB over a slow line. Bounded, because npm waits forever if it cannot create its folders. */
const FETCH_WITHIN_MS = 600_000;
const VERSION_WITHIN_MS = 30_000;

/**
 * Returns a Node that can run the repository. Fetches it from the npm registry once and keeps it in `.cache`.
 * npm does the download, so the registry, proxy and certificates configured for npm apply. A lock file holds
 * the pinned hash, and the package's scripts do not run.
 *
 * @typedef {Readonly<Record<string, import("./pinned-nodes.mjs").PinnedNode>>} Builds by platform, such as
 *   `linux-x64`
 *
 * @param {string} root
 * @param {{ builds?: Builds, progress?: NodeJS.WritableStream }} options
 * @returns {Promise<string>} the path of the program `node`
 * @throws StartError if there is no build for this platform, the download fails, or the program does not run
 */
export async function fetchNode(root, options = {}) {
  const { builds = PINNED, progress = process.stderr } = options;
  const platform = `${process.platform}-${process.arch}`;
  const pinned = builds[platform];
  if (pinned === undefined) {
    throw new StartError(
      `Node ${process.versions.node} is not supported, and the npm registry has no newer one for ${platform}: ${BY_HAND}`,
    );
  }
  const dir = join(root, ".cache", `${pinned.name}-${pinned.version}`);
  const nodeIn = (/** @type {string} */ folder) => join(folder, "node_modules", pinned.name, "bin", "node");
  const isThere = async () => existsSync(nodeIn(dir)) && (await whyNot(nodeIn(dir), pinned)) === undefined;
  if (await isThere()) return nodeIn(dir);
  return await withLock(`${dir}.lock`, async ({ lost, confirm }) => {
    // Another command may have fetched it during the wait for the lock.
    if (await isThere()) return nodeIn(dir);
    progress.write(
      `Node ${process.versions.node} is not supported: downloading Node ${pinned.version} into .cache, for this repository only (50 MB) …\n`,
    );
    removeLeft(dir);
    // Of its own, because a suspended command may still have one.
    const partial = `${dir}${PARTIAL}${randomUUID()}`;
    mkdirSync(partial);
    try {
      await unpack(root, pinned, partial, lost);
      const reason = await whyNot(nodeIn(partial), pinned);
      if (reason !== undefined) {
        throw new StartError(
          `Node ${pinned.version} was downloaded but does not run here (${reason}): ${BY_HAND}`,
        );
      }
      confirm();
      rmSync(dir, { recursive: true, force: true });
      renameSync(partial, dir);
      return nodeIn(dir);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  });
}

/** What the name of a folder with an unfinished download adds to the name of the finished one. */
const PARTIAL = ".partial-";

/**
 * Removes the folders that killed commands have left.
 *
 * @param {string} dir
 */
function removeLeft(dir) {
  for (const name of readdirSync(dirname(dir))) {
    if (!name.startsWith(`${basename(dir)}${PARTIAL}`)) continue;
    rmSync(join(dirname(dir), name), { recursive: true, force: true });
  }
}

/**
 * Explains why a program is not the pinned Node or does not run here. A power cut may have truncated the kept
 * copy; the version check also catches an empty file, which runs as a script that does nothing.
 *
 * @param {string} node
 * @param {import("./pinned-nodes.mjs").PinnedNode} pinned
 * @returns {Promise<string | undefined>} undefined if it is the pinned Node and runs
 */
async function whyNot(node, { version }) {
  const { code, output } = await runQuietly([node, "--version"], {
    cwd: dirname(node),
    withinMs: VERSION_WITHIN_MS,
  });
  return code === 0 && output.trim() === `v${version}` ? undefined : reasonIn(output);
}

/**
 * @param {string} root
 * @param {import("./pinned-nodes.mjs").PinnedNode} pinned
 * @param {string} dir
 * @param {AbortSignal} signal
 */
async function unpack(root, { name, version, integrity }, dir, signal) {
  // The repository's .npmrc may name a registry of its own.
  if (existsSync(join(root, ".npmrc"))) cpSync(join(root, ".npmrc"), join(dir, ".npmrc"));
  const dependencies = { [name]: version };
  const packages = { "": { dependencies }, [`node_modules/${name}`]: { version, integrity } };
  write(join(dir, "package.json"), { private: true, dependencies });
  write(join(dir, "package-lock.json"), { lockfileVersion: 3, requires: true, packages });
  const npm = npmCommand(process.execPath);
  const { code, output } = await runQuietly(
    [...npm, "ci", CHECKS_HASHES, "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"],
    { cwd: dir, withinMs: FETCH_WITHIN_MS, signal },
  );
  // It may hold a registry password, so no second copy is kept.
  rmSync(join(dir, ".npmrc"), { force: true });
  if (code === 0) return;
  const reason = /EINTEGRITY/.test(output)
    ? "the registry's package does not match the pinned hash"
    : reasonIn(output);
  throw new StartError(
    `Node ${version} could not be downloaded from the npm registry (${reason}): check that it is reachable, or ${BY_HAND}`,
  );
}

/**
 * @param {string} path
 * @param {unknown} value
 */
function write(path, value) {
  writeFileSync(path, JSON.stringify(value));
}

/**
 * Returns the most informative line. npm's output begins with an error code and ends with advice and the path
 * of its log.
 *
 * @param {string} output
 */
function reasonIn(output) {
  const lines = output.split("\n").map((line) => line.replace(/^npm (error|ERR!) /, "").trim());
  const reason =
    lines.find((line) => line.includes("reason: ")) ?? lines.find((line) => line.startsWith("code "));
  return reason ?? lines.filter((line) => line !== "").at(-1) ?? "no output";
}
