import { spawn } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { STOP_SIGNALS, Stopped } from "./stopped.mjs";
import { startTicker } from "./ticker.mjs";

/**
 * Runs a program to its end and captures its output. `node` comes first on the program's PATH, because npm
 * and the scripts it starts begin with `#!/usr/bin/env node`. Stop signals to this process are forwarded.
 *
 * @param {readonly string[]} command
 * @param {{ cwd: string, node?: string, withinMs: number, env?: NodeJS.ProcessEnv, signal?: AbortSignal }}
 *   options withinMs: the program gets SIGTERM after this time, and the output says so; env: added to this
 *   process's environment; signal: the program gets SIGTERM when it aborts
 * @returns {Promise<{ code: number | null, output: string }>} code: 127 if the program could not be started
 * @throws Stopped after this process got a stop signal and the program has ended
 */
export function runQuietly([program = "", ...args], options) {
  const { cwd, node = process.execPath, withinMs, env = {}, signal } = options;
  return new Promise((resolve, reject) => {
    const allEnv = { ...withoutCallersSettings(withNode(node)), ...env };
    const child = spawn(program, args, { cwd, env: allEnv, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    let output = "";
    /** @type {NodeJS.Signals | undefined} */
    let stoppedBy;
    const passOn = (/** @type {NodeJS.Signals} */ received) => {
      stoppedBy = received;
      child.kill(received);
    };
    for (const name of STOP_SIGNALS) process.on(name, passOn);
    const timer = setTimeout(() => {
      output += `\nended after ${withinMs / 1000} s\n`;
      // Not SIGKILL, after which tethered.mjs could not end its program.
      child.kill("SIGTERM");
    }, withinMs);
    const abort = () => child.kill("SIGTERM");
    signal?.addEventListener("abort", abort);
    const settle = (/** @type {number | null} */ code) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      for (const name of STOP_SIGNALS) process.off(name, passOn);
      if (stoppedBy === undefined) resolve({ code, output });
      else reject(new Stopped(stoppedBy));
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.on("error", (error) => {
      output += `${error.message}\n`;
      settle(127);
    });
    child.on("close", settle);
  });
}

/**
 * Runs a program as {@link runQuietly} does, and shows what is in progress and for how long. Shows the
 * program's output only on failure.
 *
 * @param {NodeJS.WritableStream & { isTTY?: boolean }} progress
 * @param {string} what
 * @param {readonly string[]} command
 * @param {Parameters<typeof runQuietly>[1]} where
 * @returns {Promise<number | null>} the exit code
 */
export async function runShown(progress, what, command, where) {
  const ticker = startTicker(progress, what);
  /** @type {Awaited<ReturnType<typeof runQuietly>> | undefined} */
  let result;
  try {
    result = await runQuietly(command, where);
  } finally {
    ticker.stop(result?.code === 0);
  }
  if (result.code !== 0) progress.write(`${result.output.trimEnd()}\n`);
  return result.code;
}

/**
 * Returns this process's environment with the given Node first on PATH, and in the variables in which npm
 * names the Node that runs it.
 *
 * @param {string} node
 * @returns {NodeJS.ProcessEnv}
 */
export function withNode(node) {
  const path = process.env["PATH"];
  const bin = dirname(node);
  return {
    ...process.env,
    PATH: path === undefined || path === "" ? bin : `${bin}${delimiter}${path}`,
    NODE: node,
    npm_node_execpath: node,
  };
}

/**
 * Settings with which the calling npm chooses its folder and packages. They must not reach another npm, which
 * reads their names in any case, with `-` or `_`.
 */
const CALLERS_SETTINGS = new Set(
  ["global", "location", "dry_run", "workspace", "workspaces", "include_workspace_root", "omit", "include"]
    .concat(["only", "production", "package_lock", "package_lock_only"])
    .map((name) => `npm_config_${name}`),
);

/** @param {NodeJS.ProcessEnv} env */
function withoutCallersSettings(env) {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !CALLERS_SETTINGS.has(name.toLowerCase().replaceAll("-", "_"))),
  );
}

/** npm compares a package with its hash in the lock file only if it installs in this way. */
export const CHECKS_HASHES = "--install-strategy=hoisted";

/**
 * Returns the command for the npm that started this process, or else for the npm on PATH. It is tethered: if
 * this process is killed, npm must not go on in the folder in which the next command starts an install.
 *
 * @param {string} node runs npm
 * @returns {readonly string[]}
 */
export function npmCommand(node) {
  const path = process.env["npm_execpath"];
  // Other package managers set this variable too.
  return tethered(path?.endsWith("npm-cli.js") ? [node, path] : ["npm"]);
}

/**
 * Wraps a command so that it ends if this process is killed.
 *
 * @param {readonly string[]} command
 * @returns {readonly string[]}
 */
export function tethered(command) {
  return [process.execPath, fileURLToPath(new URL("tethered.mjs", import.meta.url)), ...command];
}
