/**
 * The published schedule, written once. "After approx 10 minutes, then 30, 90, 190 minutes etc; we will retry up to
 * 13 times": the first attempt, then 13 retries, 33 h 50 m in all. The workflow's retry policy, `next_attempt_at`,
 * the docs and the tests read it here.
 */
export const SCHEDULE = {
  /** The wait after the first attempt. */
  initialIntervalMs: 10 * 60_000,
  /** What each wait is multiplied by to get the next. */
  backoffCoefficient: 3,
  /** No wait of the schedule is longer. */
  maximumIntervalMs: 190 * 60_000,
  /** The first attempt and 13 retries. */
  maximumAttempts: 14,
} as const;

/** The time of one attempt in all (connect, TLS, headers and body), where its subscription does not choose 1 to 30 s. */
export const ATTEMPT_TIMEOUT_MS = 15_000;

/** The time of a test's one attempt at most: what came of it is told within the call, which lasts 15 s at most. */
export const TEST_ATTEMPT_TIMEOUT_MS = 12_000;

/** How long a signing key goes on signing after it was replaced, where its owner says nothing: a working day and night. */
export const SIGNING_OVERLAP_MS = 24 * 3_600_000;

/** A receiver's `Retry-After` is honoured up to a day: longer would outlive what the log and the receiver remember. */
export const RETRY_AFTER_MAX_MS = 24 * 3_600_000;

/**
 * An attempt may be sent this much before its time. Clocks that time it and clocks that check it differ by a
 * little; the least wait of the schedule is 600 times as long.
 */
export const EARLY_TOLERANCE_MS = 1_000;

/**
 * Whether an attempt may be sent now.
 *
 * @param dueAt when it is due, epoch milliseconds; null: nothing says that it has to wait
 */
export function isDue(dueAt: number | null, now: number): boolean {
  return dueAt === null || dueAt - now <= EARLY_TOLERANCE_MS;
}

/**
 * The schedule's wait after attempt `number` (1 for the first), in milliseconds; undefined after the last.
 */
export function scheduledWaitMs(number: number): number | undefined {
  if (number >= SCHEDULE.maximumAttempts) return undefined;
  const wait = SCHEDULE.initialIntervalMs * SCHEDULE.backoffCoefficient ** (number - 1);
  return Math.min(wait, SCHEDULE.maximumIntervalMs);
}

/**
 * The wait after a failed attempt: the schedule's, or what the receiver asked for where that is longer, up to
 * {@link RETRY_AFTER_MAX_MS}. Undefined after the last attempt, whatever the receiver asked for.
 */
export function waitAfterAttemptMs(number: number, retryAfterMs: number | undefined): number | undefined {
  const scheduled = scheduledWaitMs(number);
  if (scheduled === undefined) return undefined;
  return Math.max(scheduled, Math.min(retryAfterMs ?? 0, RETRY_AFTER_MAX_MS));
}

/**
 * Reads a `Retry-After` header (RFC 9110, section 10.2.3): whole seconds, or an HTTP date.
 * Undefined for anything else, and 0 for a date that has passed.
 */
export function parseRetryAfterMs(header: string, nowMs: number): number | undefined {
  const text = header.trim();
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000;
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined;
  // The oldest of the three forms names no zone, and means GMT like the others.
  const at = Date.parse(/GMT$/.test(text) ? text : `${text} GMT`);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
