import type { DeliveryId } from "@posthaste/domain";
import {
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
