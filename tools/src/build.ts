import { fileURLToPath } from "node:url";
import { runMain } from "@posthaste/runtime/terminal";
import { build } from "./suite/build.ts";
import { listenForStop } from "./terminal/stop-signal.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

await runMain(async () => {
  const { signal, unlisten } = listenForStop(() => process.exit(130));
  try {
    await build(root, signal);
    return 0;
  } finally {
    unlisten();
  }
});
