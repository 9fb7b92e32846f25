import type { AccountId, EventId, SubscriptionId } from "@posthaste/domain";
import type { Generated } from "kysely";

/** The tables of event types and events, like the others in `tables.ts`. */
export type EventTables = {
  /** Event types defined at run time, each as of its latest version. */
  event_types: {
    id: Generated<number>;
    /** {@link SHARED_OWNER}: shared by all accounts. */
    account_id: AccountId;
    code: string;
    /** The latest version, from 1. */
    version: number;
    /** Size of the latest version's texts; the catalogue's size is bounded. */
    bytes: number;
    created_at: number;
    updated_at: number;
    archived_at: number | null;
    /** JSON: the latest version's keys; null: none. */
    keys_json: string | null;
  };
  /** Append-only. */
  event_type_versions: {
    event_type_id: number;
    account_id: AccountId;
    version: number;
    description: string;
    /** JSON. */
    schema_json: string;
    /** JSON, formatted as its author wrote it. */
    sample_json: string;
    created_at: number;
    /** JSON; null: none. */
    keys_json: string | null;
  };
  events: {
    id: EventId;
    account_id: AccountId;
    event_type: string;
    /** The snapshot's bytes as ingested. A BLOB, because a JSON column would rewrite them. */
    data: Buffer;
    created_at: number;
    /** As its caller sent it; null: none, or an earlier release stored the event. */
    idempotency_key: string | null;
  };
  /** The values at the keys of events, at most 8 for each. Its rows lie in the order of these columns. */
  event_keys: {
    account_id: AccountId;
    /** See `ingest/key-hashes.ts`. */
    value_hash: Buffer;
    event_id: EventId;
  };
  idempotency_keys: {
    account_id: AccountId;
    /** SHA-256 of the key: the databases disagree on whether trailing spaces count. */
    key_hash: Buffer;
    content_hash: Buffer;
    event_id: EventId;
    delivery_count: number;
    created_at: number;
  };
  /** Fan-outs that one ingest call could not finish. Normally empty. */
  fanouts: {
    event_id: EventId;
    account_id: AccountId;
    event_type: string;
    as_of_at: number;
    /** The largest `subscription_event_types.id` as of ingest. */
    as_of_row: number;
    /** The last subscription of the account whose URL was served or examined; 0: none yet. */
    after_subscription_id: SubscriptionId;
    /** 1: a delivery was created, so the event is counted. */
    has_delivery: number;
  };
};
