import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack } from "@posthaste/stack";
import { runCommand } from "../suite/run-command.ts";
import type { StepResult } from "../suite/step.ts";
import { othersSuite } from "./others-suite.ts";
import { PINS, pythonProgram } from "./toolchains.ts";

const RUN_WITHIN_MS = 600_000;

/** Schemathesis: requests made from the served OpenAPI document, right and wrong ones. */
export const schemathesisStep = othersSuite("schemathesis", async (context) => {
  const program = await pythonProgram("schemathesis", context);
  // It sends thousands of requests with one token.
  const stack = await startStack({ workers: 0, env: { POSTHASTE_RATE_PER_SECOND: "100000" } });
  const dir = await mkdtemp(join(tmpdir(), "posthaste-schemathesis-"));
  try {
    const report = join(dir, "report.json");
    const { output } = await runCommand(
      program,
      [
        ...["--config-file", join(PINS, "schemathesis.toml"), "--no-color", "run"],
        ...[`${stack.apiUrl}/api/openapi.json`, "--header", `Authorization: Bearer ${stack.token}`],
        ...["--checks", "all", "--workers", "1", "--report", "json", "--report-json-path", report],
      ],
      // It would keep what it finds in the working folder.
      { ...context, withinMs: RUN_WITHIN_MS, env: { HYPOTHESIS_STORAGE_DIRECTORY: dir } },
    );
    const text = await readFile(report, "utf8").catch(() => undefined);
    return judgeReport(text === undefined ? undefined : (JSON.parse(text) as Report), output);
  } finally {
    await stack.dispose();
    await rm(dir, { recursive: true, force: true });
  }
});

/** The part of the report that is read here. */
export type Report = {
  readonly complete: boolean;
  readonly operations: { readonly total: number; readonly tested: number } | null;
  readonly test_cases: { readonly generated: number; readonly with_failures: number };
  readonly failures: readonly { readonly title: string; readonly operations: readonly string[] }[];
  readonly errors: readonly { readonly title: string }[];
};

/**
 * Counts the requests that were answered as the document says, and the kinds of failures.
 *
 * @param report undefined: the run left none
 * @param output what the run printed, with the requests that fail
 */
export function judgeReport(report: Report | undefined, output: string): StepResult {
  if (report === undefined) return { passed: 0, failed: 1, details: output };
  const { complete, operations, test_cases: cases } = report;
  const failures = [
    ...report.failures.map(({ title, operations: where }) => `failed: ${title}: ${where.join(", ")}`),
    ...report.errors.map(({ title }) => `failed: ${title}`),
  ];
  const isWhole = complete && operations !== null && operations.tested === operations.total;
  if (!isWhole || cases.generated === 0) failures.push("failed: the run did not test every operation");
  const passed = cases.generated - cases.with_failures;
  if (failures.length === 0) return { passed, failed: 0 };
  return { passed, failed: failures.length, details: output, failures };
}
