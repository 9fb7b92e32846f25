import type { AccountId, EventId } from "@posthaste/domain";
import type { Store } from "../database/store.ts";

/** An ingested event. */
export type StoredEvent = {
  readonly id: EventId;
  readonly eventType: string;
  /** The snapshot's bytes. */
  readonly data: Uint8Array;
  readonly createdAt: number;
};

/** Returns an event; undefined: not found, or deleted for its age. */
export async function getEvent(
  store: Store,
  { accountId, id }: { accountId: AccountId; id: EventId },
): Promise<StoredEvent | undefined> {
  const row = await store.db
    .selectFrom("events")
    .selectAll()
    .where("id", "=", id)
    .where("account_id", "=", accountId)
    .executeTakeFirst();
  return row && { id, eventType: row.event_type, data: row.data, createdAt: row.created_at };
}
