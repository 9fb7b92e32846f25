import type { DeliveryId } from "@posthaste/domain";
import {
  type Attempt,
  type AttemptContext,
  type AttemptToRecord,
  createAttemptLedger,
  type RecordedAttempt,
  type Store,
} from "@posthaste/store";

/** Loads what one attempt needs, in a read of its own. */
export async function loadForAttempt(
  store: Store,
  id: DeliveryId,
  now: number,
): Promise<AttemptContext | undefined> {
  return await createAttemptLedger(store).load(id, now);
}

/** Records one attempt, in a transaction of its own. */
export async function recordAttempt(store: Store, record: AttemptToRecord): Promise<RecordedAttempt> {
  return await createAttemptLedger(store).record(record);
}

/** Returns a failed attempt, with the given differences: the first one unless they say otherwise. */
export function failedAttempt(differences: Partial<Attempt> & Pick<Attempt, "startedAt">): Attempt {
  return {
    number: 1,
    durationMs: 12,
    outcome: "status",
    acceptance: "OK_ONLY",
    status: 500,
    requestHeaders: [["webhook-attempt", "1"]],
    responseHeaders: [["content-type", "text/plain"]],
    responseBody: Buffer.from("no"),
    responseTruncated: false,
    address: "203.0.113.7:443",
    detail: null,
    targetUrl: "https://receiver.example/1",
    targetHash: null,
    retryAfterMs: null,
    ...differences,
  };
}
