import type { Run } from "../measure/in-turns.ts";

/** Bounds the memory: further calls are counted without their latency. */
const SAMPLES_MAX = 1_000_000;

/**
 * Runs callers for a bounded time. Each sends its next call as soon as the last was answered.
 *
 * @param options.call the first failure ends the run, since a benchmark of errors says nothing
 * @param options.items the items that one call processes. Default: 1
 * @throws the error of the first call that fails
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
