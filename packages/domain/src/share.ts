/**
 * How places are shared among holders of which none may starve the others.
 *
 * A holder may have four times as many places as are free (the dynamic threshold of shared switch buffers,
 * Choudhury and Hahne 1998). Alone it gets four fifths; two that want everything get four ninths each, and so
 * on. Whoever needs less leaves the rest to the others. What stays free is for whoever comes next.
 */
const TIMES_FREE = 4;

/** Returns how many more places somebody who holds `held` of them may take while `free` are free. */
export function roomToShare(held: number, free: number): number {
  // The largest number that, once taken, is still within the threshold.
  const room = Math.floor((TIMES_FREE * free - held) / (TIMES_FREE + 1));
  return Math.max(room, held === 0 && free > 0 ? 1 : 0);
}

/** Returns how many places there must be for a holder that is alone to get this many. */
export function placesToShare(alone: number): number {
  return Math.ceil((alone * (TIMES_FREE + 1)) / TIMES_FREE);
}
