import type { AccountId, DeliveryId } from "@posthaste/domain";
import { createGroupCommit } from "../database/group-commit.ts";
import { concernsOne } from "../database/in-parts.ts";
import type { Store } from "../database/store.ts";
import { createLargeBodies } from "./large-bodies.ts";
import { type AttemptContext, type LoadedRows, loadForAttempts, readSnapshots } from "./load-for-attempt.ts";
import {
  type AttemptToRecord,
  type HandedOver,
  markHandedOver,
  type RecordedAttempt,
  recordAttempts,
} from "./record-attempt.ts";
import { requestBody } from "./request-body.ts";

/**
 * Reads and writes of attempts, for a process with many attempts at once: concurrent calls share one
 * statement or one transaction.
 */
export type AttemptLedger = {
  /**
   * Loads all that an attempt needs; undefined: no such delivery, or an orphan (see `cancel-orphan.ts`).
   *
   * @param accountId the delivery's account, if it is known: accounts take turns in the groups, and those
   *   that are unknown share one turn
   */
  load(deliveryId: DeliveryId, now: number, accountId?: AccountId): Promise<AttemptContext | undefined>;
  record(record: AttemptToRecord): Promise<RecordedAttempt>;
  /** Notes that the delivery's workflow was started; see {@link markHandedOver}. */
  handedOver(handed: HandedOver): Promise<void>;
};

/**
 * Maximum attempts per transaction: some 5 MiB, as an answer has up to 16 KiB of body, and headers of up to
 * 32 KiB with what replaces secrets. They are inserted in several statements; see `insert-rows.ts`.
 */
const RECORDS_AT_ONCE = 100;
/** Maximum deliveries loaded at once. Large snapshots are read apart; see `large-bodies.ts`. */
const LOADS_AT_ONCE = 50;

type ToLoad = {
  readonly id: DeliveryId;
  readonly now: number;
  readonly accountId: AccountId | undefined;
};

export function createAttemptLedger(store: Store): AttemptLedger {
  const splits = (error: unknown) => concernsOne(store, error);
  const record = createGroupCommit<AttemptToRecord, RecordedAttempt>({
    commit: (records) => recordAttempts(store, records),
    splits,
    itemsMax: RECORDS_AT_ONCE,
    ownerOf: ({ accountId }) => accountId,
  });
  const rowsOf = createGroupCommit<ToLoad, LoadedRows | undefined>({
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
    ownerOf: ({ accountId }) => accountId,
  });
  const largeBodyOf = createLargeBodies({ read: (ids) => readSnapshots(store, ids), splits });
  const handedOver = createGroupCommit<HandedOver, void>({
    commit: (all) => markHandedOver(store, all),
    splits,
    itemsMax: RECORDS_AT_ONCE,
  });
  return {
    record,
    handedOver,
    async load(id, now, accountId) {
      const rows = await rowsOf({ id, now, accountId });
      if (rows === undefined) return undefined;
      const { snapshot, snapshotBytes: bytes, ...context } = rows;
      const { delivery, event } = context;
      const body =
        snapshot === null
          ? await largeBodyOf({ id: event.id, accountId: delivery.accountId, bytes })
          : requestBody(snapshot);
      return body === undefined ? undefined : { ...context, body };
    },
  };
}
