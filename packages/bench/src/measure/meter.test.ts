import { expect, test } from "vitest";
import { createMeter, peaksOf } from "./meter.ts";
import { usageOf } from "./process-usage.ts";

/** No process can have this number. */
const NO_PID = 2 ** 31 - 1;
const thisProcess = { name: "own", pid: () => process.pid };

/** Keeps a core busy for this much CPU time. */
function work(ms: number): void {
  const before = process.cpuUsage();
  for (;;) {
    const { user, system } = process.cpuUsage(before);
    if (user + system > ms * 1_000) return;
  }
}

test("the CPU and memory of a process are measured, and those of an ended process are undefined", () => {
  const before = usageOf(process.pid);
  work(60);
  const after = usageOf(process.pid);
  const cpuMs = (after?.cpuMs ?? 0) - (before?.cpuMs ?? 0);
  expect(cpuMs).toBeGreaterThan(30);
  expect(cpuMs).toBeLessThan(5_000);
  expect(after?.peakBytes).toBeGreaterThan(10_000_000);
  expect(usageOf(NO_PID)).toBeUndefined();
});

test("a meter adds up the costs of the runs per item, without those between the runs", () => {
  const meter = createMeter([
    thisProcess,
    { name: "ended", pid: () => NO_PID },
    { name: "not started", pid: () => undefined },
  ]);
  for (let run = 0; run < 2; run++) {
    meter.start();
    work(60);
    meter.stop(3);
    work(60);
  }
  const { cpuMs } = meter.costs();
  expect(Object.keys(cpuMs)).toEqual(["own"]);
  // Twice 60 ms for twice 3 items. The system counts in steps of 10 ms.
  expect(cpuMs["own"]).toBeGreaterThan(13);
  expect(cpuMs["own"]).toBeLessThan(35);
  expect(Object.keys(peaksOf([thisProcess]))).toEqual(["own"]);
});

test("a process that was restarted during the run is left out", () => {
  const pids = [process.pid, process.ppid].values();
  const meter = createMeter([{ name: "restarted", pid: () => pids.next().value }]);
  meter.start();
  meter.stop(1);
  expect(meter.costs().cpuMs).toEqual({});
});
