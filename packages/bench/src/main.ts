import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Complaint } from "@posthaste/runtime/terminal";
import { busyness, commitOf, thisMachine } from "./machine.ts";
import { BENCH_USAGE, type MeasureOptions, parseBenchOptions } from "./options.ts";
import { comparisonLines } from "./report/compare.ts";
import { figureLines } from "./report/lines.ts";
import { writePage } from "./report/page.ts";
import { type BenchResults, formatResults, parseResults, resultsOf } from "./report/results.ts";
import { runScenarios } from "./run-scenarios.ts";

/** The exit code of a run that was stopped, as a shell reports Ctrl-C (SIGINT). */
const STOPPED = 130;

export type BenchPlace = {
  /** The repository's folder. */
  readonly root: string;
  /** Stops the measuring when it aborts. */
  readonly signal: AbortSignal;
  /** Builds the product. */
  readonly prepare: () => Promise<void>;
};

/**
 * Runs the command.
 *
 * @returns the exit code: 0, or 1 if a scenario failed, or 130 if the run was stopped
 * @throws Complaint if the command line is not valid, or a file cannot be read or written
 */
export async function runBench(args: readonly string[], place: BenchPlace): Promise<number> {
  const options = parseBenchOptions(args);
  switch (options.kind) {
    case "help":
      console.log(BENCH_USAGE);
      return 0;
    case "page":
      for (const name of writePage(readResults(options.file), join(place.root, "docs/benchmarks")))
        console.log(`docs/benchmarks/${name}`);
      return 0;
    case "measure":
      return await measure(options, place);
  }
}

async function measure(options: MeasureOptions, { root, signal, prepare }: BenchPlace): Promise<number> {
  const earlier = options.compare === undefined ? undefined : readResults(options.compare);
  const { json } = options;
  // Checks before hours of measuring that the file can be written. Until then it keeps its content.
  if (json !== undefined) attempt(json, () => appendFileSync(json, ""));
  const machine = thisMachine();
  await prepare();
  const at = new Date().toISOString();
  const commit = commitOf(root);
  console.log(`${machine.cores} × ${machine.cpu}, Node ${machine.node}, commit ${commit}`);
  const busy = busyness(machine);
  if (busy !== undefined) console.error(`posthaste: ${busy}`);
  const { figures, databases, failures } = await runScenarios(options, {
    signal,
    onNote: (line) => console.error(`  ${line} …`),
    onFigure: (figure) => console.log(figureLines(figure).join("\n")),
  });
  const results = resultsOf({ at, commit, quick: options.quick, machine, databases, figures });
  if (json !== undefined) attempt(json, () => writeFileSync(json, formatResults(results)));
  if (earlier !== undefined) console.log(comparisonLines(earlier, results).join("\n"));
  for (const line of failures) console.error(`posthaste: ${line}`);
  return signal.aborted ? STOPPED : failures.length === 0 ? 0 : 1;
}

function readResults(path: string): BenchResults {
  return parseResults(
    attempt(path, () => readFileSync(path, "utf8")),
    path,
  );
}

function attempt<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new Complaint(`${path} cannot be used: ${error instanceof Error ? error.message : "it failed"}`);
  }
}
