import { fileURLToPath } from "node:url";
import { runMain } from "@posthaste/runtime/terminal";
import { runBench } from "./bench/main.ts";
import { build } from "./suite/build.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await runMain(() => runBench(root, process.argv.slice(2), (signal) => build(root, signal)));
