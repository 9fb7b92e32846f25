/** What every day has time for; `npm run fuzz` does a hundred times as many. */
const RUNS_DEFAULT = 1_000;

/**
 * How many cases a property is tried with, and from which seed: `POSTHASTE_FUZZ_RUNS`, `POSTHASTE_FUZZ_SEED`. A property
 * that fails prints its seed and the smallest case it found.
 */
export function fuzzing(): { numRuns: number; seed?: number } {
  const runs = Number(process.env["POSTHASTE_FUZZ_RUNS"] || RUNS_DEFAULT);
  const seed = process.env["POSTHASTE_FUZZ_SEED"];
  return { numRuns: runs, ...(seed === undefined || seed === "" ? {} : { seed: Number(seed) }) };
}
