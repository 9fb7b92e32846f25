import { runMain } from "@posthaste/runtime/terminal";
import { runSuite } from "./suite/main.ts";
import { STEPS } from "./suite/steps.ts";

const quick = STEPS.filter((step) => step.quick);

await runMain(() => runSuite(quick, process.argv.slice(2)));
