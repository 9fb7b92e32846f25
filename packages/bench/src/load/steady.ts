import { setTimeout as sleep } from "node:timers/promises";

/** A call sent at a steady pace: when it was due and when it was answered, in epoch milliseconds. */
export type SteadyCall = { readonly dueAt: number; readonly answeredAt: number };

/**
 * Sends calls at a steady pace through a few callers. Each call counts from the time it was due, so that a
 * call that waits does not hide those behind it.
 */
export async function steadily<Answer>(options: {
  readonly perSecond: number;
  readonly count: number;
  readonly callers: number;
  readonly call: (n: number) => Promise<Answer>;
}): Promise<(SteadyCall & { readonly answer: Answer })[]> {
  const { perSecond, count, callers, call } = options;
  const begun = performance.now();
  const done: (SteadyCall & { readonly answer: Answer })[] = [];
  let next = 0;
  const caller = async () => {
    while (next < count) {
      const n = next;
      next += 1;
      const due = begun + (n * 1_000) / perSecond;
      const early = due - performance.now();
      if (early > 0) await sleep(early);
      // A timer that fires late is the generator's delay, and must not count against the product.
      const dueAt = performance.timeOrigin + (early > 0 ? performance.now() : due);
      const answer = await call(n);
      done.push({ dueAt, answeredAt: performance.timeOrigin + performance.now(), answer });
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return done;
}
