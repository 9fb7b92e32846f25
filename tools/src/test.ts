import { runMain } from "@posthaste/runtime/terminal";
import { runSuite } from "./suite/main.ts";
import { STEPS } from "./suite/steps.ts";

await runMain(() => runSuite(STEPS, process.argv.slice(2)));
