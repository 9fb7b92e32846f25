import { spawn } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { STOP_SIGNALS, Stopped } from "./stopped.mjs";

/**
 * Runs a program to its end and keeps what it says. `node` is what it finds as `node` on PATH, too, since npm
 * and what npm starts begin with `#!/usr/bin/env node`. A signal to this process is passed on, and ends both.
 *
 * @param {readonly string[]} command
 * @param {{ cwd: string, node?: string, withinMs: number, env?: NodeJS.ProcessEnv }} where withinMs: then it is ended,
 *   and says so; env: beside what this process has
 * @returns {Promise<{ code: number | null, output: string }>}
 * @throws Stopped once the program has ended by such a signal
 */
export function runQuietly([program = "", ...args], { cwd, node = process.execPath, withinMs, env = {} }) {
  return new Promise((resolve, reject) => {
    const allEnv = { ...withoutCallersSettings(withNode(node)), ...env };
    const child = spawn(program, args, { cwd, env: allEnv, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    let output = "";
    /** @type {NodeJS.Signals | undefined} */
    let stoppedBy;
    const passOn = (/** @type {NodeJS.Signals} */ signal) => {
      stoppedBy = signal;
      child.kill(signal);
    };
    for (const signal of STOP_SIGNALS) process.on(signal, passOn);
    const timer = setTimeout(() => {
      output += `\nended after ${withinMs / 1000} s\n`;
      // Not SIGKILL, which what is tethered would not hear of.
      child.kill("SIGTERM");
    }, withinMs);
    const settle = (/** @type {number | null} */ code) => {
      clearTimeout(timer);
      for (const signal of STOP_SIGNALS) process.off(signal, passOn);
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
 * The environment in which `node` is this one. What npm says of the Node that runs it is set right as well.
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
 * What says where and what the npm that called us works on, and what it leaves out: not meant for another
 * npm.
 */
const CALLERS_SETTINGS = new Set(
  ["global", "location", "dry_run", "workspace", "workspaces", "include_workspace_root", "omit", "include"]
    .concat(["only", "production", "package_lock", "package_lock_only"])
    .map((name) => `npm_config_${name}`),
);

/** @param {NodeJS.ProcessEnv} env */
function withoutCallersSettings(env) {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !CALLERS_SETTINGS.has(name.toLowerCase())),
  );
}

/**
 * The npm that is running us, else the one on PATH. It is ended where this process is killed: it would go on in a
 * folder that the next command begins to install in.
 *
 * @param {string} node that is to run it
 * @returns {readonly string[]}
 */
export function npmCommand(node) {
  const path = process.env["npm_execpath"];
  // Other package managers name themselves here, too.
  return tethered(path?.endsWith("npm-cli.js") ? [node, path] : ["npm"]);
}

/**
 * The same command, ended where this process is killed.
 *
 * @param {readonly string[]} command
 * @returns {readonly string[]}
 */
export function tethered(command) {
  return [process.execPath, fileURLToPath(new URL("tethered.mjs", import.meta.url)), ...command];
}
