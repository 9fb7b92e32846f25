import { fileURLToPath } from "node:url";
import { chaos } from "@posthaste/chaos";
import { runMain } from "@posthaste/runtime/terminal";
import { build } from "./suite/build.ts";
import { listenForStop, untilStopped } from "./terminal/stop-signal.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await runMain(async () => {
  const signal = listenForStop();
  const run = chaos(process.argv.slice(2), () => build(root, signal));
  return await Promise.race([run, untilStopped(signal)]);
});
