import type { Run } from "./in-turns.ts";

/** A shorter run says more of how it begins than of how fast it is. */
const TELLING_S = 1;
const GROWTH = 4;

/**
 * What a run does in a second once it is warm: after one for nothing, runs grow until one is long enough to tell.
 *
 * @param size of the first
 * @param sizeMax of the last, however short it was
 */
export async function warmRate(
  run: (size: number) => Promise<Run>,
  size: number,
  sizeMax: number,
): Promise<number> {
  await run(size);
  for (let next = size; ; next = Math.min(next * GROWTH, sizeMax)) {
    const { count, seconds } = await run(next);
    if (seconds >= TELLING_S || next >= sizeMax) return count / seconds;
  }
}
