import { DAY_MS, MINUTE_MS } from "./durations.ts";
/**
 * The published schedule: "After approx 10 minutes, then 30, 90, 190 minutes etc; we will retry up to 13
 * times". That is the first attempt and 13 retries, 33 h 50 min in total. This is its only definition: the
 * workflow's retry policy, `next_attempt_at`, the docs and the tests use it.
 */
export const SCHEDULE = {
  /** The wait after the first attempt. */
  initialIntervalMs: 10 * MINUTE_MS,
  /** Each wait is the previous wait times this factor, up to the maximum. */
  backoffCoefficient: 3,
  /** The longest wait. */
  maximumIntervalMs: 190 * MINUTE_MS,
  /** The first attempt and 13 retries. */
  maximumAttempts: 14,
} as const;

/**
 * The default timeout of an attempt, from connecting to the end of the response body. A subscription may
 * choose 1 to 30 s.
 */
export const ATTEMPT_TIMEOUT_MS = 15_000;

/**
 * The longest timeout of a test event's attempt: the API call that returns its outcome may take at most 15 s.
 */
export const TEST_ATTEMPT_TIMEOUT_MS = 12_000;

/** How long a replaced signing key continues to sign by default: 24 h. */
export const SIGNING_OVERLAP_MS = DAY_MS;

/** The longest `Retry-After` that is honoured: 24 h. */
export const RETRY_AFTER_MAX_MS = DAY_MS;

/**
 * How early an attempt may be sent. The clock that times an attempt and the clock that checks it may differ a
 * little; the schedule's shortest wait is 600 times as long.
 */
export const EARLY_TOLERANCE_MS = 1_000;

/**
 * Returns whether an attempt may be sent now.
 *
 * @param dueAt when the attempt is due, in epoch milliseconds; null if it need not wait
 */
export function isDue(dueAt: number | null, now: number): boolean {
  return dueAt === null || dueAt - now <= EARLY_TOLERANCE_MS;
}

/**
 * Returns the schedule's wait after attempt `number` (from 1), in milliseconds; undefined after the last
 * attempt.
 */
export function scheduledWaitMs(number: number): number | undefined {
  if (number >= SCHEDULE.maximumAttempts) return undefined;
  const wait = SCHEDULE.initialIntervalMs * SCHEDULE.backoffCoefficient ** (number - 1);
  return Math.min(wait, SCHEDULE.maximumIntervalMs);
}

/**
 * Returns the wait after a failed attempt, in milliseconds: the schedule's wait or the receiver's
 * `Retry-After` (at most {@link RETRY_AFTER_MAX_MS}), whichever is longer. Undefined after the last attempt,
 * even with a `Retry-After`.
 */
export function waitAfterAttemptMs(number: number, retryAfterMs: number | undefined): number | undefined {
  const scheduled = scheduledWaitMs(number);
  if (scheduled === undefined) return undefined;
  return Math.max(scheduled, Math.min(retryAfterMs ?? 0, RETRY_AFTER_MAX_MS));
}

/**
 * Parses a `Retry-After` header (RFC 9110, section 10.2.3): whole seconds, or an HTTP date.
 *
 * @returns milliseconds from now, at most {@link RETRY_AFTER_MAX_MS}, 0 for a date in the past; undefined for
 *   any other text
 */
export function parseRetryAfterMs(header: string, nowMs: number): number | undefined {
  const text = header.trim();
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, RETRY_AFTER_MAX_MS);
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined;
  // The oldest of the three date formats has no time zone; all three are in GMT.
  const at = Date.parse(/GMT$/.test(text) ? text : `${text} GMT`);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - nowMs), RETRY_AFTER_MAX_MS);
}
