import { expect, test } from "vitest";
import { type Facts, findingsFrom, percentile, sharesOf } from "./findings.ts";
import type { Holding } from "./left-over.ts";
import type { Phase } from "./well-behaved.ts";

const MIB = 1_048_576;
const phase: Phase = {
  ...{ events: 100, refused: [], undelivered: 0 },
  ...{ ingestMs: Array(100).fill(10), deliveryMs: Array(100).fill(20) },
};
const holding: Holding = {
  ...{ open: { http1: 0 }, files: 30, stoppedMs: 10, cpuSeconds: 1 },
  memoryBytes: { api: 50 * MIB, worker: 50 * MIB },
};
const facts: Facts = {
  ...{ seconds: 60, quiet: phase, attacked: phase, before: holding, after: holding },
  ...{ tallies: {}, complaints: [], endings: [] },
};

test("nothing is found in a run that nobody noticed", () => {
  expect(findingsFrom(facts)).toEqual([]);
});

test.each([
  [
    "a refused call",
    { attacked: { ...phase, refused: ["busy", "busy"] } },
    "2 calls of the well-behaved account failed (attacked): busy",
  ],
  [
    "a refused call in quiet",
    { quiet: { ...phase, refused: ["busy"] } },
    "1 calls of the well-behaved account failed (quiet): busy",
  ],
  [
    "a lost delivery",
    { attacked: { ...phase, undelivered: 1 } },
    "1 accepted events were not delivered (attacked)",
  ],
  [
    "an attack that is turned away",
    { tallies: { bombs: { connections: 0, requests: 9, accepted: 0, refused: 9 } } },
    "the API accepted none of 9 requests: bombs",
  ],
  ["a connection", { after: { ...holding, open: { http1: 3 } } }, "3 left open: http1"],
  ["a negative count", { after: { ...holding, open: { bytes: -1 } } }, "-1 left open: bytes"],
  [
    "memory",
    { after: { ...holding, memoryBytes: { api: 50 * MIB, worker: 100 * MIB } } },
    "the memory of the worker has grown by 50.0 MiB",
  ],
  ["open files", { after: { ...holding, files: 60 } }, "60 files are open, 30 before"],
  ["a line of the logs", { complaints: ["c", "c"] }, "2 times in the logs: c"],
  ["a process that ended", { endings: ["the API ended by itself"] }, "the API ended by itself"],
  [
    "slow calls",
    { attacked: { ...phase, ingestMs: [...Array(98).fill(10), 600, 600] } },
    "the p99 of ingest is 600 ms, 10 ms in quiet",
  ],
  [
    "slow deliveries",
    { attacked: { ...phase, deliveryMs: [...Array(98).fill(20), 700, 700] } },
    "the p99 of delivery is 700 ms, 20 ms in quiet",
  ],
] as const)("%s is found", (_name, changed, line) => {
  expect(findingsFrom({ ...facts, ...changed } as Facts)).toEqual([line]);
});

test("slow calls of a short run are no finding: it has too few", () => {
  const attacked = { ...phase, ingestMs: [9_000] };
  expect(findingsFrom({ ...facts, seconds: 15, attacked })).toEqual([]);
});

test("a percentile is a value that was measured", () => {
  expect([0, 50, 99, 100].map((percent) => percentile([3, 1, 2, 4], percent))).toEqual([1, 2, 4, 4]);
  expect(percentile([], 99)).toBe(0);
});

test("shares are of what was sent, and of what was accepted", () => {
  expect(sharesOf({ ...phase, refused: ["a", "b"], undelivered: 49 })).toEqual({
    accepted: 0.98,
    delivered: 0.5,
  });
});
