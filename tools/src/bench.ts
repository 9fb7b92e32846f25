import { fileURLToPath } from "node:url";
import { runBench } from "@posthaste/bench";
import { runMain } from "@posthaste/runtime/terminal";
import { build } from "./suite/build.ts";
import { listenForStop } from "./terminal/stop-signal.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await runMain(async () => {
  const signal = listenForStop();
  return await runBench(process.argv.slice(2), { root, signal, prepare: () => build(root, signal) });
});
