import type { Yardstick } from "../yardsticks/yardstick.ts";
import { type Costs, createMeter, type MeasuredProcess } from "./meter.ts";

/** One run: how many items it processed in how many seconds, and their latencies if they were measured. */
export type Run = {
  readonly count: number;
  readonly seconds: number;
  readonly latenciesMs?: readonly number[];
};

export type Measured = {
  /** The items per second of each run. */
  readonly perSecond: readonly number[];
  readonly latenciesMs: readonly number[];
  readonly costs: Costs;
  /** The rates of each yardstick, run by run, in the given order. Each yardstick is followed by its parts. */
  readonly yardsticks: readonly { readonly name: string; readonly perSecond: readonly number[] }[];
};

/**
 * Measures a run and its yardsticks in turns, so that the ratio within a round holds even if the machine's
 * speed drifts. The meter runs until all work that the run started has ended.
 */
export async function inTurns(options: {
  readonly rounds: number;
  readonly processes: readonly MeasuredProcess[];
  readonly run: () => Promise<Run>;
  /** Resolves once all work of the run has ended. Default: at once. */
  readonly settle?: () => Promise<void>;
  readonly yardsticks: readonly Yardstick[];
}): Promise<Measured> {
  const { rounds, processes, run, settle = async () => {}, yardsticks } = options;
  const meter = createMeter(processes);
  const runs: Run[] = [];
  const names = yardsticks.flatMap(({ name, partNames = [] }) => [name, ...partNames]);
  const rates: (readonly number[])[] = [];
  for (let round = 0; round < rounds; round++) {
    meter.start();
    const done = await run();
    await settle();
    meter.stop(done.count);
    runs.push(done);
    const inRound: number[] = [];
    for (const yardstick of yardsticks) inRound.push(...(await yardstick.perSecond()));
    rates.push(inRound);
  }
  return {
    perSecond: runs.map(({ count, seconds }) => count / seconds),
    latenciesMs: runs.flatMap(({ latenciesMs }) => latenciesMs ?? []),
    costs: meter.costs(),
    yardsticks: names.map((name, i) => ({
      name,
      perSecond: rates.map((inRound) => inRound[i] ?? Number.NaN),
    })),
  };
}
