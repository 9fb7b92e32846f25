import { usageOf } from "./process-usage.ts";

/**
 * A process to measure, named after its part in the product. Its number is undefined while it does not run.
 */
export type MeasuredProcess = { readonly name: string; readonly pid: () => number | undefined };

/** The cost of one item, by process. A process that cannot be observed is left out. */
export type Costs = {
  readonly cpuMs: Readonly<Record<string, number>>;
  readonly writtenBytes: Readonly<Record<string, number>>;
};

/** Adds up what processes use during several runs. */
export type Meter = {
  start(): void;
  /** @param items the items processed since the start */
  stop(items: number): void;
  /** Returns the cost of one item, over all runs. */
  costs(): Costs;
};

export function createMeter(processes: readonly MeasuredProcess[]): Meter {
  const cpuMs = new Map<string, number>();
  const writtenBytes = new Map<string, number>();
  let items = 0;
  let before = new Map<string, ReturnType<typeof snapshot>>();
  return {
    start() {
      before = new Map(processes.map((one) => [one.name, snapshot(one)]));
    },
    stop(count) {
      items += count;
      for (const one of processes) {
        const from = before.get(one.name);
        const to = snapshot(one);
        // A restarted process counts from zero, so its usage is not that of the run.
        if (from === undefined || to === undefined || from.pid !== to.pid) continue;
        add(cpuMs, one.name, to.cpuMs - from.cpuMs);
        if (to.writtenBytes !== undefined && from.writtenBytes !== undefined)
          add(writtenBytes, one.name, to.writtenBytes - from.writtenBytes);
      }
    },
    costs: () => ({ cpuMs: divided(cpuMs, items), writtenBytes: divided(writtenBytes, items) }),
  };
}

/** Returns the peak resident memory of each process since its start, in bytes. */
export function peaksOf(processes: readonly MeasuredProcess[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    processes.flatMap((one) => {
      const peakBytes = snapshot(one)?.peakBytes;
      return peakBytes === undefined ? [] : [[one.name, peakBytes]];
    }),
  );
}

function snapshot({ pid }: MeasuredProcess) {
  const number = pid();
  const usage = number === undefined ? undefined : usageOf(number);
  return usage === undefined ? undefined : { ...usage, pid: number };
}

function add(to: Map<string, number>, name: string, value: number): void {
  to.set(name, (to.get(name) ?? 0) + value);
}

function divided(sums: ReadonlyMap<string, number>, by: number): Record<string, number> {
  return Object.fromEntries([...sums].map(([name, sum]) => [name, sum / Math.max(1, by)]));
}
