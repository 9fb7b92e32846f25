import { runSuite } from "./suite/main.ts";
import { STEPS } from "./suite/steps.ts";
import { runMain } from "./terminal/complaint.ts";

await runMain(() => runSuite(STEPS, process.argv.slice(2)));
