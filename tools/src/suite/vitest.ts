import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "./run-command.ts";
import type { Step, StepResult } from "./step.ts";

/** The part of vitest's JSON report that counts. */
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
/** Of what a failed test said: enough for its error and where that was. The whole is further above. */
const SAID_CHARS_MAX = 3_000;

/** Every test file of every package. */
export const vitestStep: Step = testsStep([]);

/** @param files paths or parts of them; none: every one */
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
 * Counts what a run came to. A test that was not run counts as failed, a file that could not be loaded as one failed
 * test, and so does a run that fails by anything but its tests.
 */
export function countTests(code: number | null, report: VitestReport | undefined): StepResult {
  if (report === undefined) {
    return { passed: 0, failed: 1, details: `vitest ended with ${code} and left no report` };
  }
  let passed = 0;
  const failures: string[] = [];
  for (const file of report.testResults) {
    const before = failures.length;
    for (const test of file.assertionResults) {
      if (test.status === "passed") passed += 1;
      else if (test.status === "failed") failures.push(`failed: ${file.name}: ${test.fullName}${said(test)}`);
      else failures.push(`${test.status}, which counts as failed: ${test.fullName}`);
    }
    if (file.status === "failed" && failures.length === before) {
      failures.push(`failed to run: ${file.name}: ${file.message?.split("\n")[0] ?? ""}`);
    }
  }
  if (passed + failures.length === 0) failures.push("vitest found no tests");
  else if (code !== 0 && failures.length === 0)
    failures.push(`vitest ended with ${code} though no test failed`);
  const counts = { passed, failed: failures.length };
  return failures.length === 0 ? counts : { ...counts, details: failures.join("\n") };
}

/** Beside the title, since of a long run's output often only the end is kept. */
function said({ failureMessages = [] }: TestReport): string {
  const text = failureMessages.join("\n").slice(0, SAID_CHARS_MAX);
  return text === "" ? "" : `\n${text.replaceAll(/^/gm, "  ")}`;
}
