import { spawn } from "node:child_process";
import { delimiter, dirname } from "node:path";

/**
 * Runs a program to its end and keeps what it says. `node` is what it finds as `node` on PATH, too, since npm and what
 * npm starts begin with `#!/usr/bin/env node`.
 *
 * @param {readonly string[]} command
 * @param {{ cwd: string, node?: string }} where
 * @returns {Promise<{ code: number | null, output: string }>}
 */
export function runQuietly([program = "", ...args], { cwd, node = process.execPath }) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env: withNode(node), stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.on("error", (error) => {
      resolve({ code: 127, output: `${output}${error.message}\n` });
    });
    child.on("close", (code) => resolve({ code, output }));
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
 * The npm that is running us, else the one on PATH.
 *
 * @param {string} node that is to run it
 * @returns {readonly string[]}
 */
export function npmCommand(node) {
  const path = process.env["npm_execpath"];
  return path?.endsWith(".js") ? [node, path] : ["npm"];
}
