import type { DeliveryId } from "@posthaste/domain";
import { createGroupCommit } from "../database/group-commit.ts";
import { concernsOne } from "../database/in-parts.ts";
import type { Store } from "../database/store.ts";
import { type AttemptContext, loadForAttempts } from "./load-for-attempt.ts";
import {
  type AttemptToRecord,
  type HandedOver,
  markHandedOver,
  type RecordedAttempt,
  recordAttempts,
} from "./record-attempt.ts";

/**
 * Reads and writes of attempts, for a process with many attempts at once: concurrent calls share one
 * statement or one transaction.
 */
export type AttemptLedger = {
  /** Loads all that an attempt needs; undefined: no such delivery, or an orphan (see `cancel-orphan.ts`). */
  load(deliveryId: DeliveryId, now: number): Promise<AttemptContext | undefined>;
  record(record: AttemptToRecord): Promise<RecordedAttempt>;
  /** Notes that the delivery's workflow was started; see {@link markHandedOver}. */
  handedOver(handed: HandedOver): Promise<void>;
};

/**
 * Maximum attempts per transaction. Their rows, with answers of up to 16 KiB, stay within a database packet
 * of 16 MiB.
 */
const RECORDS_AT_ONCE = 100;
/** Maximum deliveries loaded at once, with snapshots of up to 1 MiB each. */
const LOADS_AT_ONCE = 50;

export function createAttemptLedger(store: Store): AttemptLedger {
  const splits = (error: unknown) => concernsOne(store, error);
  const record = createGroupCommit<AttemptToRecord, RecordedAttempt>({
    commit: (records) => recordAttempts(store, records),
    splits,
    itemsMax: RECORDS_AT_ONCE,
  });
  const load = createGroupCommit<{ id: DeliveryId; now: number }, AttemptContext | undefined>({
    commit: async (asked) => {
      const now = Math.max(...asked.map((one) => one.now));
      const contexts = await loadForAttempts(
        store,
        asked.map(({ id }) => id),
        now,
      );
      return asked.map(({ id }) => contexts.get(id) ?? { result: undefined });
    },
    splits,
    itemsMax: LOADS_AT_ONCE,
  });
  const handedOver = createGroupCommit<HandedOver, void>({
    commit: (all) => markHandedOver(store, all),
    splits,
    itemsMax: RECORDS_AT_ONCE,
  });
  return { record, handedOver, load: (id, now) => load({ id, now }) };
}
