import { spawn } from "node:child_process";
import { join } from "node:path";

/** One Ctrl-C reaches this process several times: from the terminal, and from every npm and shell above it. */
const ECHO_MS = 1_000;
const FORWARDED = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/**
 * Runs tools/src/COMMAND.ts and resolves with its exit code. The child is in a session of its own, so a signal reaches
 * it only from here, and so once: echoes within a second are swallowed, a later one counts again. An IPC channel tells
 * it when this process is gone without a word.
 *
 * @param {string} root
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {Promise<number>}
 */
export async function handOver(root, command, args) {
  const child = spawn(
    process.execPath,
    ["--conditions=source", "--import", "tsx", join(root, "tools/src", `${command}.ts`), ...args],
    { cwd: root, stdio: ["inherit", "inherit", "inherit", "ipc"], detached: true },
  );
  const forwardedAt = new Map();
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - (forwardedAt.get(signal) ?? Number.NEGATIVE_INFINITY) < ECHO_MS) return;
      forwardedAt.set(signal, now);
      child.kill(signal);
    });
  }
  return await new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(`posthaste: ${command} could not be started: ${error.message}`);
      resolve(1);
    });
    child.on("exit", (code, signal) => resolve(code ?? codeOfSignal(signal)));
  });
}

/** @param {NodeJS.Signals | null} signal */
function codeOfSignal(signal) {
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
  return 128 + (numbers[/** @type {keyof typeof numbers} */ (signal)] ?? 0);
}
