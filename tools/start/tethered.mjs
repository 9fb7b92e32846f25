// node tethered.mjs PROGRAM [ARGUMENT …]: runs a program, and ends it on a stop signal or when the process
// that started this one dies. The IPC channel to that process reports its death.
import { spawn } from "node:child_process";
import { codeOfSignal, STOP_SIGNALS } from "./stopped.mjs";

/** The time from SIGTERM to SIGKILL. npm ends at once. */
const PATIENCE_MS = 5_000;

// In an old Node, the channel may close before this module runs.
if (process.connected === false) process.exit(codeOfSignal("SIGTERM"));
const [program = "", ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: "inherit" });
const end = (/** @type {NodeJS.Signals} */ signal) => {
  child.kill(signal);
  setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
};
for (const signal of STOP_SIGNALS) process.on(signal, end);
process.on("disconnect", () => end("SIGTERM"));
child.on("error", (error) => {
  console.error(error.message);
  process.exit(127);
});
child.on("exit", (code, signal) => process.exit(code ?? codeOfSignal(signal)));
