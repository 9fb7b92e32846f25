import { expect, test } from "vitest";
import { runSteps } from "./run-steps.ts";
import type { Step, StepResult } from "./step.ts";
import { countTests, type VitestReport } from "./vitest.ts";

const step = (name: string, run: () => Promise<StepResult>): Step => ({ name, quick: true, run });
const passing = step("fine", async () => ({ passed: 3, failed: 0 }));
const failing = step("wrong", async () => ({ passed: 1, failed: 2, details: "what was wrong" }));
const breaking = step("broken", async () => {
  throw new Error("out of order");
});

async function run(...steps: Step[]): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const { signal } = new AbortController();
  const code = await runSteps(steps, { root: "/", signal, print: (text) => lines.push(text) });
  return { code, lines };
}

test("the last line counts the passed tests, and the exit code is 0", async () => {
  const { code, lines } = await run(passing, passing);
  expect(code).toBe(0);
  expect(lines.at(-1)).toBe("6 passed, 0 failed");
});

test("steps continue after one that fails or throws, and the exit code is 1", async () => {
  const { code, lines } = await run(failing, breaking, passing);
  expect(code).toBe(1);
  expect(lines.at(-1)).toBe("4 passed, 3 failed");
  expect(lines).toContain("what was wrong");
  expect(lines.join("\n")).toContain("out of order");
});

test("what failed is named again between the counts and the last line, up to 8 lines", async () => {
  const failures = Array.from({ length: 10 }, (_, at) => `failed: test ${at}`);
  const many = step("many", async () => ({ passed: 0, failed: 10, failures }));
  const { lines } = await run(failing, many);
  expect(lines.slice(-10)).toEqual([
    "failed: wrong",
    ...failures.slice(0, 7),
    "and 3 more, further above",
    "1 passed, 12 failed",
  ]);
});

test("a run without any test fails", async () => {
  const { code, lines } = await run();
  expect(code).toBe(1);
  expect(lines.at(-1)).toBe("0 passed, 0 failed");
});

const file = (statuses: string[], status = "passed"): VitestReport["testResults"][number] => ({
  name: "/repo/x.test.ts",
  status,
  message: "Cannot find module\nat line 1",
  assertionResults: statuses.map((one) => ({ fullName: `a ${one} test`, status: one })),
});

test("skipped tests count as failed", () => {
  const result = countTests(0, { testResults: [file(["passed", "skipped", "todo"])] }, "/repo");
  expect(result).toMatchObject({ passed: 1, failed: 2 });
  expect(result.details).toContain("skipped (counts as failed): a skipped test");
});

test("a failed test is listed with its file and its error", () => {
  const failed = {
    fullName: "a list is empty",
    status: "failed",
    failureMessages: ["expected 1\n    at a (/repo/node_modules/b/c.js:1:2)\n    at x.ts:3"],
  };
  const report = { testResults: [{ name: "/repo/x.test.ts", status: "failed", assertionResults: [failed] }] };
  expect(countTests(1, report, "/repo")).toEqual({
    passed: 0,
    failed: 1,
    details: "failed: x.test.ts: a list is empty\n  expected 1\n      at x.ts:3",
    failures: ["failed: x.test.ts: a list is empty expected 1 at x.ts:3"],
  });
});

test("a file that cannot be loaded counts as one failed test", () => {
  const result = countTests(1, { testResults: [file(["passed"]), file([], "failed")] }, "/repo");
  expect(result).toMatchObject({
    passed: 1,
    failed: 1,
    details: "failed to run: x.test.ts: Cannot find module",
  });
});

test("a run that fails without a failed test counts as one failed test", () => {
  expect(countTests(1, { testResults: [file(["passed"])] }, "/repo")).toMatchObject({ passed: 1, failed: 1 });
  expect(countTests(null, undefined, "/repo")).toMatchObject({ passed: 0, failed: 1 });
  expect(countTests(0, { testResults: [] }, "/repo")).toMatchObject({ passed: 0, failed: 1 });
});

test("a run without failures passes", () => {
  expect(countTests(0, { testResults: [file(["passed", "passed"])] }, "/repo")).toEqual({
    passed: 2,
    failed: 0,
  });
});
