import { fileURLToPath } from "node:url";
import { attack } from "@posthaste/attack";
import { runMain } from "@posthaste/runtime/terminal";
import { build } from "./suite/build.ts";
import { listenForStop, untilStopped } from "./terminal/stop-signal.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await runMain(async () => {
  const signal = listenForStop();
  const run = attack(process.argv.slice(2), () => build(root, signal));
  return await Promise.race([run, untilStopped(signal)]);
});
