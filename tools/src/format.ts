import { fileURLToPath } from "node:url";
import { askedForHelp, Complaint, runMain } from "@posthaste/runtime/terminal";
import { runCommand } from "./suite/run-command.ts";
import { listenForStop } from "./terminal/stop-signal.ts";

const ABOUT = "Formats the code and the contracts, and fixes what the linter can fix.";
const root = fileURLToPath(new URL("../../", import.meta.url));
const WITHIN_MS = 120_000;

await runMain(async () => {
  if (askedForHelp("format", ABOUT, process.argv.slice(2))) return 0;
  const signal = listenForStop();
  for (const [command = "", ...args] of [
    ["biome", "check", "--write", "."],
    ["buf", "format", "-w"],
  ]) {
    const { code } = await runCommand(command, args, { root, signal, withinMs: WITHIN_MS, live: true });
    if (code !== 0) throw new Complaint(`${command} could not fix everything; its output is above`);
  }
  return 0;
});
