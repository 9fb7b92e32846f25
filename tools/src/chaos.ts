import { fileURLToPath } from "node:url";
import { chaos } from "@posthaste/chaos";
import { runMain } from "@posthaste/runtime/terminal";
import { build } from "./suite/build.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await runMain(
  async () => await chaos(process.argv.slice(2), () => build(root, new AbortController().signal)),
);
