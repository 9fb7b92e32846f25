import { spawn } from "node:child_process";
import { withNode } from "./run-quietly.mjs";
import { codeOfSignal, STOP_SIGNALS } from "./stopped.mjs";

/** One Ctrl-C arrives several times: from the terminal, and from each npm and shell above this process. */
const ECHO_MS = 1_000;

/**
 * Runs a program with a Node and resolves with its exit code. The child runs in its own session, so signals
 * reach it only from here. A signal is forwarded once: repeats within one second are dropped. The IPC channel
 * closes if this process is killed, which tells the child to end.
 *
 * @param {string} node
 * @param {readonly string[]} args for Node
 * @param {{ cwd: string, name: string }} options name: the command, for error messages
 * @returns {Promise<number>}
 */
export async function handOver(node, args, { cwd, name }) {
  const child = spawn(node, args, {
    cwd,
    env: withNode(node),
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    detached: true,
  });
  const forwardedAt = new Map();
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - (forwardedAt.get(signal) ?? Number.NEGATIVE_INFINITY) < ECHO_MS) return;
      forwardedAt.set(signal, now);
      child.kill(signal);
    });
  }
  return await new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(`posthaste: ${name} could not be started: ${error.message}`);
      resolve(1);
    });
    child.on("exit", (code, signal) => resolve(code ?? codeOfSignal(signal)));
  });
}
