import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Complaint } from "@posthaste/runtime/terminal";
import { listenForStop } from "../terminal/stop-signal.ts";
import { busyness, commitOf, thisMachine } from "./machine.ts";
import { BENCH_USAGE, type MeasureOptions, parseBenchOptions } from "./options.ts";
import { comparisonLines } from "./report/compare.ts";
import { figureLines } from "./report/lines.ts";
import { writePage } from "./report/page.ts";
import { type BenchResults, formatResults, parseResults, resultsOf } from "./report/results.ts";
import { runScenarios } from "./run-scenarios.ts";

const STOPPED = 130;

/** @param prepare builds what is measured */
export async function runBench(
  root: string,
  args: readonly string[],
  prepare: (signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const options = parseBenchOptions(args);
  switch (options.kind) {
    case "help":
      console.log(BENCH_USAGE);
      return 0;
    case "page":
      for (const name of writePage(readResults(options.file), join(root, "docs/benchmarks")))
        console.log(`docs/benchmarks/${name}`);
      return 0;
    case "measure":
      return await measure(root, options, prepare);
  }
}

async function measure(
  root: string,
  options: MeasureOptions,
  prepare: (signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const earlier = options.compare === undefined ? undefined : readResults(options.compare);
  const { json } = options;
  // Hours of measuring are not to end with a folder that is not there; what the file holds stays until then.
  if (json !== undefined) attempt(json, () => appendFileSync(json, ""));
  const { signal, unlisten } = listenForStop(() => process.exit(STOPPED));
  try {
    const machine = thisMachine();
    await prepare(signal);
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
  } finally {
    unlisten();
  }
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
