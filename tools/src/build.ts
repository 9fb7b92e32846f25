import { fileURLToPath } from "node:url";
import { runMain } from "@posthaste/runtime/terminal";
import { build } from "./suite/build.ts";
import { listenForStop } from "./terminal/stop-signal.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

await runMain(async () => {
  await build(root, listenForStop());
  return 0;
});
