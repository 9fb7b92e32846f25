import { Complaint, parseCommandLine, wholeNumber } from "@posthaste/runtime/terminal";
import type { Database, Lane } from "./report/results.ts";
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/index.ts";

export type BenchOptions =
  | { readonly kind: "help" }
  /** Writes the docs' pages from a file of results. */
  | { readonly kind: "page"; readonly file: string }
  | MeasureOptions;

export type MeasureOptions = {
  readonly kind: "measure";
  readonly scenarios: readonly Scenario[];
  readonly quick: boolean;
  readonly databases: readonly Database[];
  readonly lanes: readonly Lane[];
  /** Where the results are written. */
  readonly json: string | undefined;
  /** Earlier results to hold these against. */
  readonly compare: string | undefined;
  /** A folder for CPU profiles of API and worker. */
  readonly profile: string | undefined;
  readonly deliveries: number | undefined;
};

const DELIVERIES_MAX = 1_000_000;

export const BENCH_USAGE = `npm run bench -- [scenario …] [options]
npm run bench -- page FILE

Measures the product beside what its parts could do alone, in turns on this machine: API, worker, Temporal, database,
receiver and load generator share its cores, and every figure has its ratio to a yardstick of the same minutes.
page writes docs/benchmarks/results.md and its charts from results that were kept with --json.

${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(14)}${about}`).join("\n")}
  (none)        all of them, which takes hours; a minute or two each with --quick

  --quick         few and short runs, on SQLite and in the workflow lane unless the options below say otherwise:
                  for a look, not for the record
  --database D    sqlite, mysql or both, each with durable settings (default both)
  --lane L        workflow, direct or both (default both)
  --json FILE     keeps the results
  --compare FILE  shows each figure's change against results that were kept
  --deliveries N  of the scenarios with a backlog: isolation, recovery and backlog (default what they say)
  --profile DIR   keeps CPU profiles of API and worker; the figures are slower then
  --help          this text`;

/** @throws Complaint */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseCommandLine("bench", {
    args,
    allowPositionals: true,
    options: {
      quick: { type: "boolean" },
      database: { type: "string" },
      lane: { type: "string" },
      json: { type: "string" },
      compare: { type: "string" },
      deliveries: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return { kind: "help" };
  if (positionals[0] === "page") {
    const [, file, ...rest] = positionals;
    if (file === undefined || rest.length > 0)
      throw new Complaint("page wants one file: npm run bench -- page FILE");
    return { kind: "page", file };
  }
  const { quick = false } = values;
  return {
    kind: "measure",
    scenarios: positionals.length === 0 ? SCENARIOS : [...new Set(positionals)].map(scenarioOf),
    quick,
    databases: choice("--database", values.database ?? (quick ? "sqlite" : "both"), ["sqlite", "mysql"]),
    lanes: choice("--lane", values.lane ?? (quick ? "workflow" : "both"), ["workflow", "direct"]),
    json: values.json,
    compare: values.compare,
    profile: values.profile,
    deliveries: wholeNumber("--deliveries", values.deliveries, { min: 1, max: DELIVERIES_MAX }),
  };
}

function scenarioOf(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  const names = SCENARIOS.map((scenario) => scenario.name).join(", ");
  throw new Complaint(`there is no scenario "${name}": choose among ${names}`);
}

function choice<T extends string>(flag: string, text: string, all: readonly T[]): readonly T[] {
  if (text === "both") return all;
  const chosen = all.filter((one) => one === text);
  if (chosen.length === 0) throw new Complaint(`${flag} is "${text}": choose ${all.join(", ")} or both`);
  return chosen;
}
