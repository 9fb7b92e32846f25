import { expect, test } from "vitest";
import { judgeReport, type Report } from "./schemathesis.ts";

const report: Report = {
  complete: true,
  operations: { total: 6, tested: 6 },
  test_cases: { generated: 900, with_failures: 0 },
  failures: [],
  errors: [],
};

test("requests that are answered as the document says are counted", () => {
  expect(judgeReport(report, "")).toEqual({ passed: 900, failed: 0 });
});

test("each kind of failure is named, with its operations", () => {
  const failures = [{ title: "Server error", operations: ["GET /api/Webhook", "POST /api/Webhook"] }];
  const test_cases = { generated: 900, with_failures: 12 };
  expect(judgeReport({ ...report, test_cases, failures }, "curl …")).toEqual({
    passed: 888,
    failed: 1,
    details: "curl …",
    failures: ["failed: Server error: GET /api/Webhook, POST /api/Webhook"],
  });
});

test.each<[string, Report | undefined]>([
  ["left no report", undefined],
  ["was cut off", { ...report, complete: false }],
  ["could not read the document", { ...report, operations: null }],
  ["left out an operation", { ...report, operations: { total: 6, tested: 5 } }],
  ["sent nothing", { ...report, test_cases: { generated: 0, with_failures: 0 } }],
  ["had an error", { ...report, errors: [{ title: "Network error" }] }],
])("a run that %s fails", (_title, one) => {
  expect(judgeReport(one, "its output")).toMatchObject({ failed: 1, details: "its output" });
});
