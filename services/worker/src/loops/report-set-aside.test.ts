import { type Log, silentLog } from "@posthaste/runtime";
import { expect, test } from "vitest";
import { createReportSetAside } from "./report-set-aside.ts";

function recording() {
  const lines: Record<string, unknown>[] = [];
  const counts: [string, number][] = [];
  const log: Log = {
    ...silentLog,
    error: (event, error, fields) => void lines.push({ event, error: String(error), ...fields }),
  };
  return { lines, counts, report: createReportSetAside(log, (work, count) => counts.push([work, count])) };
}

test("rows with one reason share a line that has all their ids, even if each message names its row", () => {
  const { lines, counts, report } = recording();
  report("start", [
    { item: "dlv_1", error: new Error("delivery dlv_1 is odd") },
    { item: "dlv_2", error: new Error("refused") },
    { item: "dlv_3", error: new Error("delivery dlv_3 is odd") },
  ]);
  expect(lines).toEqual([
    {
      event: "work.set_aside",
      error: "Error: delivery dlv_1 is odd",
      work: "start",
      count: 2,
      ids: ["dlv_1", "dlv_3"],
    },
    { event: "work.set_aside", error: "Error: refused", work: "start", count: 1, ids: ["dlv_2"] },
  ]);
  expect(counts).toEqual([["start", 3]]);
});

test("a report has at most ten lines and says how many reasons are left out, and nothing for no rows", () => {
  const { lines, counts, report } = recording();
  report("reconcile", []);
  expect([lines, counts]).toEqual([[], []]);
  const reasons = "abcdefghijklm";
  report(
    "reconcile",
    [...reasons].map((reason, n) => ({ item: n, error: new Error(reason) })),
  );
  expect(lines).toHaveLength(10);
  expect(lines.at(-1)).toMatchObject({ furtherReasons: 3 });
  expect(counts).toEqual([["reconcile", 13]]);
});
