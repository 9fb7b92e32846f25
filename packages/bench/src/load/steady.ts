import { setTimeout as sleep } from "node:timers/promises";

/** A call made at a steady pace: when it was due, and when it was answered, in milliseconds since the epoch. */
export type SteadyCall = { readonly dueAt: number; readonly answeredAt: number };

/**
 * Makes calls at a steady pace over a few callers. Each counts from when it was due, so that a caller that is kept
 * waiting does not hide what the ones behind it would have seen.
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
      // A timer may come late; that is the generator's fault, not that of what is measured.
      const dueAt = performance.timeOrigin + (early > 0 ? performance.now() : due);
      const answer = await call(n);
      done.push({ dueAt, answeredAt: performance.timeOrigin + performance.now(), answer });
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return done;
}
