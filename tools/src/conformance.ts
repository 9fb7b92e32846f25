import { fileURLToPath } from "node:url";
import { Complaint, runMain } from "@posthaste/runtime/terminal";
import { connectStep } from "./conformance/connect.ts";
import { h2specStep } from "./conformance/h2spec.ts";
import { schemathesisStep } from "./conformance/schemathesis.ts";
import { runSteps } from "./suite/run-steps.ts";
import { BUILD_STEP } from "./suite/steps.ts";
import { listenForStop } from "./terminal/stop-signal.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const SUITES = [schemathesisStep, h2specStep, connectStep];

await runMain(async () => {
  const names = process.argv.slice(2);
  const known = SUITES.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new Complaint(`there is no suite "${unknown}": choose from ${known.join(", ")}`);
  }
  const chosen = SUITES.filter(({ name }) => names.length === 0 || names.includes(name));
  return await runSteps([BUILD_STEP, ...chosen], { root, signal: listenForStop(), print: console.log });
});
