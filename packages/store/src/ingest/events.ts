import type { AccountId, EventId, FoundValue } from "@posthaste/domain";
import { byPrimaryKey } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import { hashKeyValues } from "./key-hashes.ts";

/** An ingested event. */
export type StoredEvent = {
  readonly id: EventId;
  readonly eventType: string;
  /** The snapshot's bytes. */
  readonly data: Uint8Array;
  readonly createdAt: number;
  /** Null: none, or an earlier release stored the event. */
  readonly idempotencyKey: string | null;
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
  if (row === undefined) return undefined;
  const { event_type: eventType, data, created_at: createdAt, idempotency_key: idempotencyKey } = row;
  return { id, eventType, data, createdAt, idempotencyKey };
}

/** Returns the values of a snapshot by which its event is found, in their order. */
export async function indexedValues(
  store: Store,
  { accountId, id, values }: { accountId: AccountId; id: EventId; values: readonly FoundValue[] },
): Promise<FoundValue[]> {
  if (values.length === 0) return [];
  const hashed: { value: FoundValue; hash: Buffer }[] = [];
  for (const value of values) {
    for (const hash of await hashKeyValues(store, accountId, [value])) hashed.push({ value, hash });
  }
  const rows = await store.db
    .selectFrom(byPrimaryKey(store, "event_keys"))
    .select("value_hash")
    .where("account_id", "=", accountId)
    .where("event_id", "=", id)
    .where(
      "value_hash",
      "in",
      hashed.map(({ hash }) => hash),
    )
    .execute();
  return hashed
    .filter(({ hash }) => rows.some((row) => hash.equals(row.value_hash)))
    .map(({ value }) => value);
}
