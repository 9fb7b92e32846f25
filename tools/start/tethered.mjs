// node tethered.mjs PROGRAM [ARGUMENT …]: runs a program and ends it when it is told to, and when the process that
// began this one is gone without a word.
import { spawn } from "node:child_process";
import { codeOfSignal, STOP_SIGNALS } from "./stopped.mjs";

/** npm ends at once; what does not is not waited for longer. */
const PATIENCE_MS = 5_000;

// An old Node may hear of that before this module runs.
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
