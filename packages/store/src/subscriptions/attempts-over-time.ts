import { DAY_MS, HOUR_MS, MINUTE_MS } from "@posthaste/domain";

/** Attempts that started in a part of the time. */
export type AttemptsBucket = {
  readonly from: number;
  readonly attempts: number;
  readonly accepted: number;
};

/** More bars cannot be told apart beside each other. One more may be needed to begin at a full hour. */
const BUCKETS_MAX = 60;
const WEEK_MS = 7 * DAY_MS;
/** Lengths that people count in. */
const LENGTHS_MS = [
  ...[MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS],
  ...[DAY_MS, 2 * DAY_MS, WEEK_MS],
];

/**
 * Counts attempts over the time that they cover, in buckets of the shortest length of which that takes at
 * most {@link BUCKETS_MAX}. They begin at multiples of it, so the same attempt stays in the same bucket.
 *
 * @returns the buckets, oldest first and without gaps
 */
export function attemptsOverTime(
  attempts: readonly { readonly startedAt: number; readonly isAccepted: boolean }[],
): { readonly bucketMs: number; readonly buckets: readonly AttemptsBucket[] } {
  const times = attempts.map(({ startedAt }) => startedAt);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const bucketMs = lengthFor(attempts.length === 0 ? 0 : last - first);
  if (attempts.length === 0) return { bucketMs, buckets: [] };
  const indexOf = (time: number) => Math.floor(time / bucketMs) - Math.floor(first / bucketMs);
  const buckets = Array.from({ length: indexOf(last) + 1 }, (_, i) => ({
    from: (Math.floor(first / bucketMs) + i) * bucketMs,
    attempts: 0,
    accepted: 0,
  }));
  for (const { startedAt, isAccepted } of attempts) {
    const bucket = buckets[indexOf(startedAt)];
    if (bucket === undefined) continue;
    bucket.attempts += 1;
    if (isAccepted) bucket.accepted += 1;
  }
  return { bucketMs, buckets };
}

function lengthFor(spanMs: number): number {
  const length = LENGTHS_MS.find((each) => spanMs <= BUCKETS_MAX * each);
  return length ?? Math.ceil(spanMs / (BUCKETS_MAX * WEEK_MS)) * WEEK_MS;
}
