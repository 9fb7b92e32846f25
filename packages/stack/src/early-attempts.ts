import { EARLY_TOLERANCE_MS, waitAfterAttemptMs } from "@posthaste/domain";
import type { Stack } from "./stack.ts";

/** A logged attempt, with the times that decide when the next one is due. */
export type LoggedAttempt = {
  readonly delivery_id: string;
  readonly number: number;
  readonly started_at: number;
  readonly duration_ms: number;
  readonly retry_after_ms: number | null;
};

/** The request of one attempt, as the receiver got it or the worker logged it. */
export type AttemptRequest = {
  readonly deliveryId: string;
  /** 1 for the first. */
  readonly number: number;
  /** Epoch milliseconds. */
  readonly at: number;
};

/**
 * Returns a line for each request before the published schedule's time.
 *
 * @param requests the requests to check
 * @param log the logged attempts, which decide when the requests were due
 * @param isAskedFor whether somebody requested this attempt ("retry now"), which may then come at any time
 */
export function earlyAttempts(
  requests: readonly AttemptRequest[],
  log: readonly LoggedAttempt[],
  isAskedFor: (request: AttemptRequest) => boolean = () => false,
): string[] {
  const logged = new Map(log.map((attempt) => [keyOf(attempt.delivery_id, attempt.number), attempt]));
  return requests.flatMap((request) => {
    const { deliveryId, number, at } = request;
    if (number === 1 || isAskedFor(request)) return [];
    const before = logged.get(keyOf(deliveryId, number - 1));
    if (before === undefined)
      return [`${deliveryId} attempt ${number}: the attempt before it is not in the log`];
    const dueAt = dueAfter(before);
    if (dueAt - at <= EARLY_TOLERANCE_MS) return [];
    return [`${deliveryId} attempt ${number} was ${dueAt - at} ms early`];
  });
}

/**
 * Returns a line for each attempt in a stack's log that was sent before the published schedule's time.
 *
 * @param askedFor the deliveries for which somebody requested a retry; they are not checked
 */
export async function earlyInLog(
  { store }: Pick<Stack, "store">,
  askedFor: ReadonlySet<string> = new Set(),
): Promise<string[]> {
  const log = await store.db
    .selectFrom("attempts")
    .select(["delivery_id", "number", "started_at", "duration_ms", "retry_after_ms"])
    .execute();
  const requests = log.map(({ delivery_id: deliveryId, number, started_at: at }) => ({
    deliveryId,
    number,
    at,
  }));
  return earlyAttempts(requests, log, ({ deliveryId }) => askedFor.has(deliveryId));
}

/**
 * Returns when the next attempt is due, in epoch milliseconds; infinity after the schedule's last attempt.
 */
function dueAfter({ number, started_at, duration_ms, retry_after_ms }: LoggedAttempt): number {
  const waitMs = waitAfterAttemptMs(number, retry_after_ms ?? undefined);
  return waitMs === undefined ? Number.POSITIVE_INFINITY : started_at + duration_ms + waitMs;
}

function keyOf(deliveryId: string, number: number): string {
  return `${deliveryId} ${number}`;
}
