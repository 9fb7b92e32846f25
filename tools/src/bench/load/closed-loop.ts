import type { Run } from "../measure/in-turns.ts";

/** More would only cost memory; what comes after is counted without its latency. */
const SAMPLES_MAX = 1_000_000;

/**
 * Has callers make call after call, each as soon as its last was answered, for a bounded time.
 *
 * @param options.call resolves with how many items it did; one that fails ends the run, since a benchmark of errors says nothing
 */
export async function closedLoop(options: {
  readonly callers: number;
  readonly seconds: number;
  readonly call: () => Promise<number>;
}): Promise<Run> {
  const { callers, seconds, call } = options;
  const latenciesMs: number[] = [];
  let count = 0;
  const begun = performance.now();
  const endAt = begun + seconds * 1_000;
  const caller = async () => {
    for (let sentAt = performance.now(); sentAt < endAt; ) {
      const items = await call();
      count += items;
      const answeredAt = performance.now();
      if (latenciesMs.length < SAMPLES_MAX) latenciesMs.push(answeredAt - sentAt);
      sentAt = answeredAt;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { count, seconds: (performance.now() - begun) / 1_000, latenciesMs };
}
