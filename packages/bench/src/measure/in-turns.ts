import type { Yardstick } from "../yardsticks/yardstick.ts";
import { type Costs, createMeter, type MeasuredProcess } from "./meter.ts";

/** One run: how many items were done in which time, and how long each took where that was seen. */
export type Run = {
  readonly count: number;
  readonly seconds: number;
  readonly latenciesMs?: readonly number[];
};

export type Measured = {
  /** Items a second, run by run. */
  readonly perSecond: readonly number[];
  readonly latenciesMs: readonly number[];
  readonly costs: Costs;
  /** Run by run, in the order of what was asked for, each followed by its parts. */
  readonly yardsticks: readonly { readonly name: string; readonly perSecond: readonly number[] }[];
};

/**
 * Measures something and its yardsticks in turns, so that the ratio of a round holds although the machine's speed
 * drifts. The meter runs until everything that a run began is done.
 */
export async function inTurns(options: {
  readonly rounds: number;
  readonly processes: readonly MeasuredProcess[];
  readonly run: () => Promise<Run>;
  /** Resolves once nothing of the run goes on. */
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
