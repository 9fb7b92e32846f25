import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { withLock } from "./lock.mjs";
import { SUPPORTED } from "./node-version.mjs";
import { PINNED } from "./pinned-nodes.mjs";
import { npmCommand, runQuietly } from "./run-quietly.mjs";
import { StartError } from "./start-error.mjs";

const BY_HAND = `install ${SUPPORTED}, from nodejs.org or with your version manager`;

/** 50 MB, over a slow line as well. npm waits for ever where it cannot make its own folders. */
const FETCH_WITHIN_MS = 600_000;
const VERSION_WITHIN_MS = 30_000;

/**
 * A Node that runs the repository, from the npm registry: fetched once, then kept in `.cache`. npm itself
 * does it, so that a registry, proxy or certificate that is set up for npm counts here, too; its lock file
 * holds the pinned hash, and no script of the package is run.
 *
 * @param {string} root
 * @param {{ builds?: Readonly<Record<string, import("./pinned-nodes.mjs").PinnedNode>>, progress?: NodeJS.WritableStream }} options
 *   builds: by platform, such as `linux-x64`
 * @returns {Promise<string>} the path of the program `node`
 * @throws StartError
 */
export async function fetchNode(root, options = {}) {
  const { builds = PINNED, progress = process.stderr } = options;
  const platform = `${process.platform}-${process.arch}`;
  const pinned = builds[platform];
  if (pinned === undefined) {
    throw new StartError(
      `this is Node ${process.versions.node}, and the npm registry has no newer one for ${platform}: ${BY_HAND}`,
    );
  }
  const dir = join(root, ".cache", `${pinned.name}-${pinned.version}`);
  const nodeIn = (/** @type {string} */ folder) => join(folder, "node_modules", pinned.name, "bin", "node");
  const isThere = async () => existsSync(nodeIn(dir)) && (await whyNot(nodeIn(dir), pinned)) === undefined;
  if (await isThere()) return nodeIn(dir);
  return await withLock(`${dir}.lock`, async () => {
    // Another command may have fetched it meanwhile.
    if (await isThere()) return nodeIn(dir);
    progress.write(
      `this is Node ${process.versions.node}, which is not supported: fetching Node ${pinned.version} for this folder alone, into .cache (50 MB) …\n`,
    );
    const partial = `${dir}.partial`;
    rmSync(partial, { recursive: true, force: true });
    try {
      await unpack(root, pinned, partial);
      const reason = await whyNot(nodeIn(partial), pinned);
      if (reason !== undefined) {
        throw new StartError(
          `Node ${pinned.version} was fetched and does not run here (${reason}): ${BY_HAND}`,
        );
      }
      rmSync(dir, { recursive: true, force: true });
      renameSync(partial, dir);
      return nodeIn(dir);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  });
}

/**
 * Why a Node does not run here, or is another one. What was kept may have been cut off by a power cut, and a
 * file that is empty counts as a script that does nothing.
 *
 * @param {string} node
 * @param {import("./pinned-nodes.mjs").PinnedNode} pinned
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
 */
async function unpack(root, { name, version, integrity }, dir) {
  mkdirSync(dir, { recursive: true });
  // A registry may be set for the repository alone.
  if (existsSync(join(root, ".npmrc"))) cpSync(join(root, ".npmrc"), join(dir, ".npmrc"));
  const dependencies = { [name]: version };
  const packages = { "": { dependencies }, [`node_modules/${name}`]: { version, integrity } };
  write(join(dir, "package.json"), { private: true, dependencies });
  write(join(dir, "package-lock.json"), { lockfileVersion: 3, requires: true, packages });
  const npm = npmCommand(process.execPath);
  const { code, output } = await runQuietly(
    [...npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"],
    { cwd: dir, withinMs: FETCH_WITHIN_MS },
  );
  // It may hold a password for the registry, which is not to be kept twice.
  rmSync(join(dir, ".npmrc"), { force: true });
  if (code === 0) return;
  const reason = /EINTEGRITY/.test(output)
    ? "what the registry has is not what was pinned"
    : reasonIn(output);
  throw new StartError(
    `Node ${version} could not be fetched from the npm registry (${reason}): is it reachable? Else ${BY_HAND}`,
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
 * Of many lines, the one that tells most: npm begins with a code and ends with advice and where its log is.
 *
 * @param {string} output
 */
function reasonIn(output) {
  const lines = output.split("\n").map((line) => line.replace(/^npm (error|ERR!) /, "").trim());
  const telling =
    lines.find((line) => line.includes("reason: ")) ?? lines.find((line) => line.startsWith("code "));
  return telling ?? lines.filter((line) => line !== "").at(-1) ?? "it said nothing";
}
