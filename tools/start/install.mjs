import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The dependencies could not be installed; the message is one line for a person. */
export class InstallError extends Error {
  /** @override */
  name = "InstallError";
}

/**
 * Whether node_modules is what package-lock.json asks for, built for this Node. True as well where somebody ran npm by
 * hand: npm's own record of what it installed is then held against the lock, so that nothing is installed twice.
 *
 * @param {string} root
 */
export function isInstalled(root) {
  const stamp = read(stampPath(root));
  if (stamp !== undefined && stamp === stampOf(root)) return true;
  const stampOfOtherNode = stamp !== undefined && !stamp.endsWith(` ${build()}`);
  if (stampOfOtherNode || !agreesWithLock(root)) return false;
  writeFileSync(stampPath(root), stampOf(root));
  return true;
}

/**
 * Runs `npm ci`. What npm says is kept, and shown only if it fails.
 *
 * @param {string} root
 * @param {{ npm?: readonly string[], progress?: NodeJS.WritableStream & { isTTY?: boolean } }} options npm: the command
 * @throws InstallError
 */
export async function install(root, { npm = npmCommand(), progress = process.stderr } = {}) {
  const ticker = startTicker(progress, "installing dependencies (npm ci)");
  const { code, output } = await run([...npm, "ci", "--no-fund", "--no-audit"], root);
  ticker.stop(code === 0);
  if (code !== 0) {
    progress.write(`${output.trimEnd()}\n`);
    throw new InstallError(
      `the dependencies could not be installed (npm ci, exit code ${code}; what it said is above): is the package registry reachable?`,
    );
  }
  writeFileSync(stampPath(root), stampOf(root));
}

/** @param {string} root */
function stampPath(root) {
  return join(root, "node_modules", ".posthaste-installed");
}

/** @param {string} root */
function stampOf(root) {
  const lock = readFileSync(join(root, "package-lock.json"));
  return `${createHash("sha256").update(lock).digest("hex")} ${build()}`;
}

/** Native modules are compiled for one of these. */
function build() {
  return `${process.platform}-${process.arch}-${process.versions.modules}`;
}

/** @param {string} root */
function agreesWithLock(root) {
  const installed = packagesIn(join(root, "node_modules", ".package-lock.json"));
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

/** The npm that is running us, else the one on PATH. */
function npmCommand() {
  const path = process.env["npm_execpath"];
  return path?.endsWith(".js") ? [process.execPath, path] : ["npm"];
}

/**
 * @param {readonly string[]} command
 * @param {string} cwd
 * @returns {Promise<{ code: number | null, output: string }>}
 */
function run([command = "", ...args], cwd) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.on("error", (error) => {
      resolve({ code: 127, output: `${output}${error.message}\n` });
    });
    child.on("close", (code) => resolve({ code, output }));
  });
}

/**
 * Says what goes on and for how long: on a terminal in place, elsewhere a line now and then.
 *
 * @param {NodeJS.WritableStream & { isTTY?: boolean }} to
 * @param {string} what
 */
function startTicker(to, what) {
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1000);
  if (!to.isTTY) to.write(`${what} …\n`);
  const timer = setInterval(
    () => to.write(to.isTTY ? `\r${what} … ${seconds()} s` : `${what} … ${seconds()} s\n`),
    to.isTTY ? 1_000 : 15_000,
  );
  return {
    /** @param {boolean} done */
    stop(done) {
      clearInterval(timer);
      to.write(`${to.isTTY ? "\r" : ""}${what} … ${done ? "done" : "failed"} after ${seconds()} s\n`);
    },
  };
}
