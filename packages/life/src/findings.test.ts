import { expect, test } from "vitest";
import { findingsFrom, rowsPerYear } from "./findings.ts";
import type { Measurement } from "./measurement.ts";

const MIB = 2 ** 20;

const month = (number: number, over: Partial<Measurement> = {}): Measurement => ({
  month: number,
  rows: { events: 10_000, accounts: 10 },
  disk: { usedBytes: 100 * MIB, takenBytes: 120 * MIB },
  heapBytes: 30 * MIB,
  residentBytes: 200 * MIB,
  reads: { "claim of 100": { rows: 1_000, plans: ["SEARCH deliveries USING INDEX deliveries_by_account"] } },
  ...over,
});

const found = (over: Partial<Measurement>) =>
  findingsFrom([month(1), month(2), month(3, over)]).map(({ what }) => what);

test("nothing is found in months that are alike", () => {
  expect(found({})).toEqual([]);
  expect(found({ rows: { events: 10_300, accounts: 10 }, heapBytes: 31 * MIB })).toEqual([]);
});

test("a table that grows is found, unless it is named with its reason", () => {
  expect(found({ rows: { events: 12_000, accounts: 1_000 } })).toEqual(["rows of events"]);
  expect(found({ rows: { events: 10_000, accounts: 10, forgotten: 100 } })).toEqual(["rows of forgotten"]);
});

test("a database that grows is found, whether the space is in use or only taken", () => {
  expect(found({ disk: { usedBytes: 150 * MIB, takenBytes: 120 * MIB } })).toEqual([
    "bytes in use on the disk",
  ]);
  expect(found({ disk: { usedBytes: 100 * MIB, takenBytes: 150 * MIB } })).toEqual([
    "bytes taken from the disk",
  ]);
});

test("memory that grows is found", () => {
  expect(found({ heapBytes: 40 * MIB })).toEqual(["bytes of the heap"]);
  expect(found({ residentBytes: 300 * MIB })).toEqual(["bytes of resident memory"]);
});

test("a call that reads more, by another plan, or a whole table, is found", () => {
  const claim = (rows: number, plan: string) => ({ reads: { "claim of 100": { rows, plans: [plan] } } });
  const search = "SEARCH deliveries USING INDEX deliveries_by_account";
  expect(found(claim(1_500, search))).toEqual(["rows read by claim of 100"]);
  expect(found(claim(1_000, "SEARCH deliveries USING INDEX deliveries_overdue"))).toEqual([
    "plan of claim of 100",
  ]);
  const scan = claim(1_000, "SCAN deliveries");
  expect(findingsFrom([month(1, scan), month(2, scan)])).toEqual([
    { what: "plan of claim of 100", first: "a search", last: "SCAN deliveries" },
  ]);
});

test("one month says nothing about growth", () => {
  expect(() => findingsFrom([month(1)])).toThrow("two months or more");
});

test("a table's growth in a year follows from that of the months", () => {
  const months = [month(1), month(2), month(3, { rows: { accounts: 30 } })];
  expect(rowsPerYear(months, "accounts")).toBe(122);
});
