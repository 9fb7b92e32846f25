import { Stopped } from "@posthaste/runtime/terminal";
import type { Step, StepResult } from "./step.ts";

/** Maximum failures that the summary names: with the counts, they fit in the last 3,000 characters. */
const NAMED_MAX = 8;

/**
 * Runs steps one after another. Continues after a failed step, so that one run reports every failure. Prints
 * a summary: the counts of each step, what failed, and `N passed, N failed` as the last line.
 *
 * @returns the exit code: 0 only if something passed and nothing failed
 */
export async function runSteps(
  steps: readonly Step[],
  context: { root: string; signal: AbortSignal; print: (text: string) => void },
): Promise<number> {
  const { root, signal, print } = context;
  const rows: { name: string; result: StepResult; seconds: number }[] = [];
  for (const step of steps) {
    print(`\n— ${step.name}`);
    const startedAt = performance.now();
    const result = await step.run({ root, signal }).catch((error: unknown) => faultOf(error));
    const seconds = (performance.now() - startedAt) / 1000;
    if (result.details !== undefined) print(result.details);
    print(`${result.failed === 0 ? "passed" : "FAILED"} after ${seconds.toFixed(1)} s`);
    rows.push({ name: step.name, result, seconds });
  }
  const passed = rows.reduce((sum, row) => sum + row.result.passed, 0);
  const failed = rows.reduce((sum, row) => sum + row.result.failed, 0);
  print("");
  for (const { name, result, seconds } of rows) {
    const counts = `${result.passed} passed, ${result.failed} failed`;
    print(`  ${name.padEnd(20)}${counts.padEnd(24)}${seconds.toFixed(1).padStart(7)} s`);
  }
  for (const line of namedFailures(rows)) print(line);
  if (passed + failed === 0) print("nothing ran");
  print(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

function namedFailures(rows: readonly { name: string; result: StepResult }[]): string[] {
  const failures = rows
    .filter(({ result }) => result.failed > 0)
    .flatMap(({ name, result }) => result.failures ?? [`failed: ${name}`]);
  const more = failures.length - NAMED_MAX;
  return [...failures.slice(0, NAMED_MAX), ...(more > 0 ? [`and ${more} more, further above`] : [])];
}

/** A step that throws counts as one failed test; a stop signal ends the run. */
function faultOf(error: unknown): StepResult {
  if (error instanceof Stopped) throw error;
  return {
    passed: 0,
    failed: 1,
    details: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
}
