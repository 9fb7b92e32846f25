import { EARLY_TOLERANCE_MS, waitAfterAttemptMs } from "@posthaste/domain";
import type { Stack } from "./stack.ts";

/** A logged attempt, with what says when the next one is due. */
export type LoggedAttempt = {
  readonly delivery_id: string;
  readonly number: number;
  readonly started_at: number;
  readonly duration_ms: number;
  readonly retry_after_ms: number | null;
};

/** A request of one attempt, as its receiver got it or its worker logged it. */
export type MadeAttempt = {
  readonly deliveryId: string;
  /** 1 for the first. */
  readonly number: number;
  /** Epoch milliseconds. */
  readonly at: number;
};

/**
 * Requests that came before the published schedule's time: a line for each.
 *
 * @param isAskedFor whether somebody asked for this attempt ("retry now"): that one may come at any time
 */
export function earlyAttempts(
  made: readonly MadeAttempt[],
  log: readonly LoggedAttempt[],
  isAskedFor: (attempt: MadeAttempt) => boolean = () => false,
): string[] {
  const logged = new Map(log.map((attempt) => [keyOf(attempt.delivery_id, attempt.number), attempt]));
  return made.flatMap((attempt) => {
    const { deliveryId, number, at } = attempt;
    if (number === 1 || isAskedFor(attempt)) return [];
    const before = logged.get(keyOf(deliveryId, number - 1));
    if (before === undefined) return [`${deliveryId} attempt ${number}: the one before it is not in the log`];
    const dueAt = dueAfter(before);
    if (dueAt - at <= EARLY_TOLERANCE_MS) return [];
    return [`${deliveryId} attempt ${number} came ${dueAt - at} ms before it was due`];
  });
}

/**
 * The same of all that a stack's workers have logged.
 *
 * @param askedFor deliveries of which somebody asked for a retry; they are left out
 */
export async function earlyInLog(
  { store }: Pick<Stack, "store">,
  askedFor: ReadonlySet<string> = new Set(),
): Promise<string[]> {
  const log = await store.db
    .selectFrom("attempts")
    .select(["delivery_id", "number", "started_at", "duration_ms", "retry_after_ms"])
    .execute();
  const made = log.map(({ delivery_id: deliveryId, number, started_at: at }) => ({ deliveryId, number, at }));
  return earlyAttempts(made, log, ({ deliveryId }) => askedFor.has(deliveryId));
}

/** After the last attempt of the schedule none is due any more. */
function dueAfter({ number, started_at, duration_ms, retry_after_ms }: LoggedAttempt): number {
  const waitMs = waitAfterAttemptMs(number, retry_after_ms ?? undefined);
  return waitMs === undefined ? Number.POSITIVE_INFINITY : started_at + duration_ms + waitMs;
}

function keyOf(deliveryId: string, number: number): string {
  return `${deliveryId} ${number}`;
}
