import type { Kysely } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  const { serial, int, time, text, longText, bytes, hash, tableEnd } = columns;
  const id = text(30);
  const code = text(64);
  const word = text(32);
  const statements = [
    `CREATE TABLE accounts (
      id ${serial},
      name ${text(100)} NOT NULL,
      created_at ${time} NOT NULL
    ) ${tableEnd}`,

    `CREATE TABLE tokens (
      id ${serial},
      account_id ${int} NOT NULL,
      name ${text(100)} NOT NULL,
      secret_hash ${hash} NOT NULL,
      hint ${text(16)} NOT NULL,
      scopes ${text(255)} NOT NULL,
      expires_at ${time},
      revoked_at ${time},
      created_at ${time} NOT NULL
    ) ${tableEnd}`,
    "CREATE UNIQUE INDEX tokens_by_secret ON tokens (secret_hash)",
    "CREATE INDEX tokens_by_account ON tokens (account_id, id)",

    `CREATE TABLE subscriptions (
      id ${serial},
      account_id ${int} NOT NULL,
      target_url ${text(2048)} NOT NULL,
      target_hash ${hash} NOT NULL,
      state ${word} NOT NULL,
      secret ${text(255)},
      acceptance ${word} NOT NULL,
      timeout_ms ${int},
      created_at ${time} NOT NULL,
      updated_at ${time} NOT NULL,
      ended_at ${time},
      ended_reason ${text(255)}
    ) ${tableEnd}`,
    "CREATE INDEX subscriptions_by_account ON subscriptions (account_id, id)",
    "CREATE INDEX subscriptions_by_target ON subscriptions (account_id, target_hash)",

    `CREATE TABLE subscription_event_types (
      id ${serial},
      subscription_id ${int} NOT NULL,
      account_id ${int} NOT NULL,
      event_type ${code} NOT NULL,
      removed_at ${time},
      live_key ${hash}
    ) ${tableEnd}`,
    "CREATE UNIQUE INDEX subscription_event_types_live ON subscription_event_types (live_key)",
    "CREATE INDEX subscription_event_types_of ON subscription_event_types (subscription_id)",
    "CREATE INDEX subscription_event_types_matching ON subscription_event_types (account_id, event_type, removed_at, subscription_id)",

    `CREATE TABLE events (
      id ${id} NOT NULL PRIMARY KEY,
      account_id ${int} NOT NULL,
      event_type ${code} NOT NULL,
      data ${bytes} NOT NULL,
      created_at ${time} NOT NULL
    ) ${tableEnd}`,

    `CREATE TABLE idempotency_keys (
      account_id ${int} NOT NULL,
      key_hash ${hash} NOT NULL,
      content_hash ${hash} NOT NULL,
      event_id ${id} NOT NULL,
      delivery_count ${int} NOT NULL,
      created_at ${time} NOT NULL,
      PRIMARY KEY (account_id, key_hash)
    ) ${tableEnd}`,

    `CREATE TABLE fanouts (
      event_id ${id} NOT NULL PRIMARY KEY,
      account_id ${int} NOT NULL,
      event_type ${code} NOT NULL,
      as_of_at ${time} NOT NULL,
      as_of_row ${int} NOT NULL,
      after_target_hash ${hash} NOT NULL
    ) ${tableEnd}`,

    `CREATE TABLE deliveries (
      id ${id} NOT NULL PRIMARY KEY,
      account_id ${int} NOT NULL,
      event_id ${id} NOT NULL,
      event_type ${code} NOT NULL,
      subscription_id ${int} NOT NULL,
      target_key ${hash} NOT NULL,
      state ${word} NOT NULL,
      attempts ${int} NOT NULL,
      next_attempt_at ${time},
      reconcile_after ${time},
      lease_owner ${text(64)},
      lease_until ${time},
      in_flight_of ${int},
      last_outcome ${word},
      last_status ${int},
      created_at ${time} NOT NULL,
      started_at ${time},
      ended_at ${time},
      ended_reason ${text(255)}
    ) ${tableEnd}`,
    "CREATE UNIQUE INDEX deliveries_once ON deliveries (event_id, target_key)",
    "CREATE INDEX deliveries_by_state ON deliveries (state, subscription_id, id)",
    "CREATE INDEX deliveries_in_flight ON deliveries (in_flight_of)",
    "CREATE INDEX deliveries_overdue ON deliveries (state, reconcile_after)",
    "CREATE INDEX deliveries_by_account ON deliveries (account_id, id)",
    "CREATE INDEX deliveries_by_account_state ON deliveries (account_id, state, id)",
    "CREATE INDEX deliveries_by_subscription ON deliveries (subscription_id, id)",

    `CREATE TABLE attempts (
      delivery_id ${id} NOT NULL,
      number ${int} NOT NULL,
      started_at ${time} NOT NULL,
      duration_ms ${int} NOT NULL,
      outcome ${word} NOT NULL,
      acceptance ${word} NOT NULL,
      status ${int},
      response_headers ${longText} NOT NULL,
      response_body ${bytes} NOT NULL,
      response_truncated ${int} NOT NULL,
      address ${text(64)},
      detail ${text(255)},
      target_url ${text(2048)} NOT NULL,
      retry_after_ms ${time},
      PRIMARY KEY (delivery_id, number)
    ) ${tableEnd}`,
  ];
  for (const statement of statements) await ensure(db, statement);
}
