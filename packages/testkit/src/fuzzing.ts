/** Cases of a property in an ordinary test run; `npm run fuzz` runs a hundred times as many. */
const RUNS_DEFAULT = 1_000;

/**
 * Returns fast-check's parameters: the number of cases from `POSTHASTE_FUZZ_RUNS` (default 1,000), and
 * the seed from `POSTHASTE_FUZZ_SEED` (default random). A property that fails prints its seed and the
 * smallest failing case.
 */
export function fuzzing(): { numRuns: number; seed?: number } {
  const runs = Number(process.env["POSTHASTE_FUZZ_RUNS"] || RUNS_DEFAULT);
  const seed = process.env["POSTHASTE_FUZZ_SEED"];
  return { numRuns: runs, ...(seed === undefined || seed === "" ? {} : { seed: Number(seed) }) };
}
