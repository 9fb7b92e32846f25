import { fileURLToPath } from "node:url";
import { Complaint, parseCommandLine, runMain } from "@posthaste/runtime/terminal";
import { runCommand } from "./suite/run-command.ts";
import { listenForStop } from "./terminal/stop-signal.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const RUNS_DEFAULT = 100_000;
const WITHIN_MS = 4 * 3_600_000;
const TEST_WITHIN_MS = 3_600_000;

const USAGE = `npm run fuzz -- [--runs N] [--seed S] [FILE…]

Checks every property (each *.fuzz.test.ts, or the test files whose path contains FILE) with N random cases
(default ${RUNS_DEFAULT}). A failure prints its seed; --seed repeats it.`;

await runMain(async () => {
  const { values, positionals } = parseCommandLine("fuzz", {
    allowPositionals: true,
    options: {
      runs: { type: "string" },
      seed: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  const runs = values.runs ?? String(RUNS_DEFAULT);
  if (!/^[1-9]\d{0,8}$/.test(runs))
    throw new Complaint(`--runs is "${runs}": give a number of cases from 1 to 999999999`);
  if (values.seed !== undefined && !/^-?\d{1,10}$/.test(values.seed)) {
    throw new Complaint(`--seed is "${values.seed}": give the seed that a failure printed`);
  }
  process.env["POSTHASTE_FUZZ_RUNS"] = runs;
  if (values.seed !== undefined) process.env["POSTHASTE_FUZZ_SEED"] = values.seed;
  const files = positionals.length === 0 ? [".fuzz."] : positionals;
  const { code } = await runCommand("vitest", ["run", `--testTimeout=${TEST_WITHIN_MS}`, ...files], {
    root,
    signal: listenForStop(),
    withinMs: WITHIN_MS,
    live: true,
  });
  return code ?? 1;
});
