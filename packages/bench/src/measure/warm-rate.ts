import type { Run } from "./in-turns.ts";

/** The shortest run whose rate counts: in a shorter one the start weighs too much. */
const LONG_ENOUGH_S = 1;
/** How much larger the next run is. */
const GROWTH = 4;

/**
 * Measures the items per second of a warm system. After one run to warm up, runs grow until one takes at
 * least a second.
 *
 * @param size the items of the first run
 * @param sizeMax the items of the last run, even if it takes less than a second
 */
export async function warmRate(
  run: (size: number) => Promise<Run>,
  size: number,
  sizeMax: number,
): Promise<number> {
  await run(size);
  for (let next = size; ; next = Math.min(next * GROWTH, sizeMax)) {
    const { count, seconds } = await run(next);
    if (seconds >= LONG_ENOUGH_S || next >= sizeMax) return count / seconds;
  }
}
