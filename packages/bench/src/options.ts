import { Complaint, parseCommandLine, wholeNumber } from "@posthaste/runtime/terminal";
import type { Database, Lane } from "./report/results.ts";
import type { Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/index.ts";

export type BenchOptions =
  | { readonly kind: "help" }
  /** Writes the pages of `docs/benchmarks/` from a file of results. */
  | { readonly kind: "page"; readonly file: string }
  | MeasureOptions;

export type MeasureOptions = {
  readonly kind: "measure";
  readonly scenarios: readonly Scenario[];
  readonly quick: boolean;
  readonly databases: readonly Database[];
  readonly lanes: readonly Lane[];
  /** The file to write the results to. */
  readonly json: string | undefined;
  /** The file with earlier results to compare with. */
  readonly compare: string | undefined;
  /** The folder for CPU profiles of API and worker. */
  readonly profile: string | undefined;
  /** The size of the backlog; undefined = the scenario's default. */
  readonly deliveries: number | undefined;
};

const DELIVERIES_MAX = 1_000_000;

export const BENCH_USAGE = `npm run bench -- [scenario …] [options]
npm run bench -- page FILE

Measures the product and, in turns, what its parts can do alone. API, worker, Temporal, database, receiver
and load generator share the cores of this machine. Each figure comes with its ratio to a yardstick of the
same minutes. "page" writes docs/benchmarks/results.md and its charts from results that --json has written.

${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(14)}${about}`).join("\n")}
  (none)        all scenarios: takes hours, or a minute or two each with --quick

  --quick         fewer and shorter runs for a first impression, by default on SQLite and in the workflow lane
  --database D    sqlite, mysql or both, with durable settings (default both)
  --lane L        workflow, direct or both (default both)
  --json FILE     writes the results to a file
  --compare FILE  shows the change of each figure since the results in a file
  --deliveries N  the size of the backlog in isolation, recovery and backlog (default: see each scenario)
  --profile DIR   writes CPU profiles of API and worker, which slows them down
  --help          shows this text`;

/** @throws Complaint if the command line is not valid */
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
      throw new Complaint("page needs one file: npm run bench -- page FILE");
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
  throw new Complaint(`there is no scenario "${name}": choose from ${names}`);
}

function choice<T extends string>(flag: string, text: string, all: readonly T[]): readonly T[] {
  if (text === "both") return all;
  const chosen = all.filter((one) => one === text);
  if (chosen.length === 0) throw new Complaint(`${flag} is "${text}": choose ${all.join(", ")} or both`);
  return chosen;
}
