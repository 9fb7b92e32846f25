import { fileURLToPath } from "node:url";
import { askedForHelp, runMain } from "@posthaste/runtime/terminal";
import { build } from "./suite/build.ts";
import { listenForStop } from "./terminal/stop-signal.ts";

const ABOUT = "Builds everything that production runs.";
const root = fileURLToPath(new URL("../../", import.meta.url));

await runMain(async () => {
  if (askedForHelp("build", ABOUT, process.argv.slice(2))) return 0;
  await build(root, listenForStop());
  return 0;
});
