import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { runCommand } from "./run-command.ts";
import type { Step, StepResult } from "./step.ts";

/** The part of vitest's JSON report that is read here. */
export type VitestReport = {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly TestReport[];
  }[];
};

type TestReport = {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages?: readonly string[];
};

/** Ends a run that hangs. One takes 18 minutes on two quiet cores, and twice as long beside a busy one. */
const WITHIN_MS = 2_700_000;
/** Enough for a failed test's error and its place. vitest's own output, further above, has the full text. */
const FAILURE_CHARS_MAX = 3_000;
/** Enough for a test's file, its name and the beginning of its error. */
const FAILURE_LINE_CHARS_MAX = 240;
/** A line of a stack that says nothing of this repository. */
const FOREIGN_LINE = /\n +at .*(?:\/node_modules\/|node:internal|node:events).*/g;

/** Every test file of every package. */
export const vitestStep: Step = testsStep([]);

/**
 * Creates a step that runs test files.
 *
 * @param files paths or parts of them; empty for all test files
 */
export function testsStep(files: readonly string[]): Step {
  return {
    name: "tests",
    quick: false,
    async run({ root, signal }) {
      const dir = await mkdtemp(join(tmpdir(), "posthaste-vitest-"));
      const reportPath = join(dir, "report.json");
      try {
        const report = ["--reporter=default", "--reporter=json", `--outputFile.json=${reportPath}`];
        const { code } = await runCommand("vitest", ["run", ...report, ...files], {
          root,
          signal,
          withinMs: WITHIN_MS,
          live: true,
        });
        const text = await readFile(reportPath, "utf8").catch(() => undefined);
        const parsed = text === undefined ? undefined : (JSON.parse(text) as VitestReport);
        return countTests(code, parsed, root);
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    },
  };
}

/**
 * Counts the tests of a run. A skipped test counts as failed. A file that cannot be loaded counts as one
 * failed test, and so does a run that fails although no test failed.
 *
 * @param code vitest's exit code; null if vitest was ended
 * @param report undefined if vitest left no report
 * @param root the folder that the names of files are relative to
 */
export function countTests(code: number | null, report: VitestReport | undefined, root: string): StepResult {
  if (report === undefined) {
    return { passed: 0, failed: 1, details: `vitest exited with code ${code} and left no report` };
  }
  let passed = 0;
  const failures: string[] = [];
  for (const file of report.testResults) {
    const before = failures.length;
    const name = relative(root, file.name);
    for (const test of file.assertionResults) {
      if (test.status === "passed") passed += 1;
      else if (test.status === "failed") failures.push(`failed: ${name}: ${test.fullName}${errorOf(test)}`);
      else failures.push(`${test.status} (counts as failed): ${test.fullName}`);
    }
    if (file.status === "failed" && failures.length === before) {
      failures.push(`failed to run: ${name}: ${file.message?.split("\n")[0] ?? ""}`);
    }
  }
  if (passed + failures.length === 0) failures.push("vitest found no tests");
  else if (code !== 0 && failures.length === 0)
    failures.push(`vitest exited with code ${code} although no test failed`);
  const counts = { passed, failed: failures.length };
  if (failures.length === 0) return counts;
  return { ...counts, details: failures.join("\n"), failures: failures.map(lineOf) };
}

/** Returns a failure in one line. */
function lineOf(failure: string): string {
  const line = failure.replaceAll(/\s+/g, " ");
  return line.length > FAILURE_LINE_CHARS_MAX ? `${line.slice(0, FAILURE_LINE_CHARS_MAX)} …` : line;
}

/** Returns a test's error, without the lines of its stack that lie in dependencies. */
function errorOf({ failureMessages = [] }: TestReport): string {
  const text = failureMessages.join("\n").replaceAll(FOREIGN_LINE, "").slice(0, FAILURE_CHARS_MAX);
  return text === "" ? "" : `\n${text.replaceAll(/^/gm, "  ")}`;
}
