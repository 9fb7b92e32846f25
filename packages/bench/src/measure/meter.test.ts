import { expect, test } from "vitest";
import { createMeter, peaksOf } from "./meter.ts";
import { usageOf } from "./process-usage.ts";

/** No system gives this number to a process. */
const NO_PID = 2 ** 31 - 1;
const own = { name: "own", pid: () => process.pid };

/** Keeps a core busy, which is what is to be seen. */
function work(ms: number): void {
  const before = process.cpuUsage();
  for (;;) {
    const { user, system } = process.cpuUsage(before);
    if (user + system > ms * 1_000) return;
  }
}

test("a process is seen to have worked, and one that is gone is not seen", () => {
  const before = usageOf(process.pid);
  work(60);
  const after = usageOf(process.pid);
  const cpuMs = (after?.cpuMs ?? 0) - (before?.cpuMs ?? 0);
  expect(cpuMs).toBeGreaterThan(30);
  expect(cpuMs).toBeLessThan(5_000);
  expect(after?.peakBytes).toBeGreaterThan(10_000_000);
  expect(usageOf(NO_PID)).toBeUndefined();
});

test("a meter adds up what runs cost, item by item, and not what goes on between them", () => {
  const meter = createMeter([
    own,
    { name: "gone", pid: () => NO_PID },
    { name: "never", pid: () => undefined },
  ]);
  for (let run = 0; run < 2; run++) {
    meter.start();
    work(60);
    meter.stop(3);
    work(60);
  }
  const { cpuMs } = meter.costs();
  expect(Object.keys(cpuMs)).toEqual(["own"]);
  // Twice 60 ms for twice 3 items, as exactly as the system counts, which is by 10 ms.
  expect(cpuMs["own"]).toBeGreaterThan(13);
  expect(cpuMs["own"]).toBeLessThan(35);
  expect(Object.keys(peaksOf([own]))).toEqual(["own"]);
});

test("a process that was started anew says nothing about the run", () => {
  const pids = [process.pid, process.ppid].values();
  const meter = createMeter([{ name: "restarted", pid: () => pids.next().value }]);
  meter.start();
  meter.stop(1);
  expect(meter.costs().cpuMs).toEqual({});
});
