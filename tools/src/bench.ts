import { fileURLToPath } from "node:url";
import { runBench } from "./bench/main.ts";
import { build } from "./processes/build.ts";
import { runMain } from "./terminal/complaint.ts";

await runMain(async () => {
  await build(fileURLToPath(new URL("../..", import.meta.url)), new AbortController().signal);
  return await runBench(process.argv.slice(2));
});
