/** Runs at most so many tasks at once, and the others in the order in which they came. */
export type Slots = <T>(task: () => Promise<T>) => Promise<T>;

export function createSlots(atOnceMax: number): Slots {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (task) => {
    // Whoever ends hands its slot to the first that waits, so nobody can come in between.
    if (running === atOnceMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
