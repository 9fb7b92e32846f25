import { spawn } from "node:child_process";
import { withNode } from "./run-quietly.mjs";
import { codeOfSignal, STOP_SIGNALS } from "./stopped.mjs";

/**
 * One Ctrl-C reaches this process several times: from the terminal, and from every npm and shell above it.
 */
const ECHO_MS = 1_000;

/**
 * Runs a program with a Node and resolves with its exit code. The child is in a session of its own, so a
 * signal reaches it only from here, and so once: echoes within a second are swallowed, a later one counts
 * again. An IPC channel tells it when this process is gone without a word.
 *
 * @param {string} node
 * @param {readonly string[]} args for it
 * @param {{ cwd: string, name: string }} what
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
