import { runSuite } from "./suite/main.ts";
import { STEPS } from "./suite/steps.ts";
import { runMain } from "./terminal/complaint.ts";

const quick = STEPS.filter((step) => step.quick);

await runMain(() => runSuite(quick, process.argv.slice(2)));
