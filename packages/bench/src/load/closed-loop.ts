import type { Run } from "../measure/in-turns.ts";

/** More would only cost memory; what comes after is counted without its latency. */
const SAMPLES_MAX = 1_000_000;

/**
 * Has callers make call after call, each as soon as its last was answered, for a bounded time.
 *
 * @param options.call one that fails ends the run, since a benchmark of errors says nothing
 * @param options.items that one call does. Default: 1
 */
export async function closedLoop(options: {
  readonly callers: number;
  readonly seconds: number;
  readonly call: () => Promise<unknown>;
  readonly items?: number;
}): Promise<Run> {
  const { callers, seconds, call, items = 1 } = options;
  const latenciesMs: number[] = [];
  let count = 0;
  const begun = performance.now();
  const endAt = begun + seconds * 1_000;
  const caller = async () => {
    for (let sentAt = performance.now(); sentAt < endAt; ) {
      await call();
      count += items;
      const answeredAt = performance.now();
      if (latenciesMs.length < SAMPLES_MAX) latenciesMs.push(answeredAt - sentAt);
      sentAt = answeredAt;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { count, seconds: (performance.now() - begun) / 1_000, latenciesMs };
}
