import { type AccountId, createFairQueue } from "@posthaste/domain";

/** Runs at most so many tasks at once. Accounts take turns, and the tasks of one keep their order. */
export type Slots = <T>(accountId: AccountId, task: () => Promise<T>) => Promise<T>;

/** What waits is bounded by the places of the requests that it belongs to. */
export function createSlots(atOnceMax: number): Slots {
  const waiting = createFairQueue<() => void>();
  let running = 0;
  return async (accountId, task) => {
    // Whoever ends hands its slot to the next, so nobody can come in between.
    if (running === atOnceMax) await new Promise<void>((resolve) => waiting.add(accountId, resolve));
    else running += 1;
    try {
      return await task();
    } finally {
      const next = waiting.next();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
