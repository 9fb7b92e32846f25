import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

const WITHIN_MS = 1_500_000;
/** Enough for a failed test's error and its place. vitest's own output, further above, has the full text. */
const FAILURE_CHARS_MAX = 3_000;

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
        return countTests(code, text === undefined ? undefined : (JSON.parse(text) as VitestReport));
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
 */
export function countTests(code: number | null, report: VitestReport | undefined): StepResult {
  if (report === undefined) {
    return { passed: 0, failed: 1, details: `vitest exited with code ${code} and left no report` };
  }
  let passed = 0;
  const failures: string[] = [];
  for (const file of report.testResults) {
    const before = failures.length;
    for (const test of file.assertionResults) {
      if (test.status === "passed") passed += 1;
      else if (test.status === "failed")
        failures.push(`failed: ${file.name}: ${test.fullName}${errorOf(test)}`);
      else failures.push(`${test.status} (counts as failed): ${test.fullName}`);
    }
    if (file.status === "failed" && failures.length === before) {
      failures.push(`failed to run: ${file.name}: ${file.message?.split("\n")[0] ?? ""}`);
    }
  }
  if (passed + failures.length === 0) failures.push("vitest found no tests");
  else if (code !== 0 && failures.length === 0)
    failures.push(`vitest exited with code ${code} although no test failed`);
  const counts = { passed, failed: failures.length };
  return failures.length === 0 ? counts : { ...counts, details: failures.join("\n") };
}

/** Returns a test's error for the summary, because often only the end of a long run's output is kept. */
function errorOf({ failureMessages = [] }: TestReport): string {
  const text = failureMessages.join("\n").slice(0, FAILURE_CHARS_MAX);
  return text === "" ? "" : `\n${text.replaceAll(/^/gm, "  ")}`;
}
