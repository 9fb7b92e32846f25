import { type Kysely, sql } from "kysely";
import type { ColumnTypes, Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";
import { describeDeliveries } from "./sqlite-selectivity.ts";

/*
 * Every table that grows has an `account_id`. Every number that grows has 64 bits: ids that the database
 * assigns, counters, and references to a row by its id. `int` is for numbers that a limit in the code bounds.
 */

/** Creates every table and index. */
export async function up(
  db: Kysely<unknown>,
  { name, columns }: Pick<Seam, "name" | "columns">,
): Promise<void> {
  const rooms = [
    accounts,
    catalog,
    subscriptions,
    pace,
    events,
    deliveries,
    changes,
    statistics,
    longRunning,
  ];
  for (const statement of rooms.flatMap((room) => room(columns))) await ensure(db, statement);
  await insertOnce(db, "change_counter", ["id", "batch", "oldest_batch"], [1, 0, 0]);
  await insertOnce(db, "statistics_cursor", ["id", "batch", "change_id"], [1, 0, 0]);
  if (name === "sqlite") await describeDeliveries(db);
}

/** Length of `evt_` or `dlv_` and a ULID. */
const ID_CHARS = 30;
/** The longest word of the closed vocabulary, with room. */
const WORD_CHARS = 32;
const EVENT_TYPE_CHARS = 64;
const URL_CHARS = 2_048;

function accounts({ serial, long, int, time, text, hash, tableEnd }: ColumnTypes): string[] {
  return [
    `CREATE TABLE accounts (
      id ${serial},
      name ${text(100)} NOT NULL,
      schema_check ${text(WORD_CHARS)},
      lane ${text(WORD_CHARS)},
      created_at ${time} NOT NULL
    ) ${tableEnd}`,

    `CREATE TABLE tokens (
      id ${serial},
      account_id ${long} NOT NULL,
      name ${text(100)} NOT NULL,
      secret_hash ${hash} NOT NULL,
      hint ${text(16)} NOT NULL,
      scopes ${text(255)} NOT NULL,
      session ${int} NOT NULL,
      expires_at ${time},
      revoked_at ${time},
      created_at ${time} NOT NULL
    ) ${tableEnd}`,
    "CREATE UNIQUE INDEX tokens_by_secret ON tokens (secret_hash)",
    "CREATE INDEX tokens_by_account ON tokens (account_id, id)",

    `CREATE TABLE portal_links (
      id ${serial},
      account_id ${long} NOT NULL,
      code_hash ${hash} NOT NULL,
      scopes ${text(255)} NOT NULL,
      session_ms ${int} NOT NULL,
      expires_at ${time} NOT NULL,
      created_at ${time} NOT NULL
    ) ${tableEnd}`,
    "CREATE UNIQUE INDEX portal_links_by_code ON portal_links (code_hash)",
    "CREATE INDEX portal_links_by_account ON portal_links (account_id, expires_at)",
  ];
}

function catalog({ serial, long, int, time, text, longText, tableEnd }: ColumnTypes): string[] {
  return [
    `CREATE TABLE event_types (
      id ${serial},
      account_id ${long} NOT NULL,
      code ${text(EVENT_TYPE_CHARS)} NOT NULL,
      version ${int} NOT NULL,
      bytes ${int} NOT NULL,
      created_at ${time} NOT NULL,
      updated_at ${time} NOT NULL,
      archived_at ${time}
    ) ${tableEnd}`,
    "CREATE UNIQUE INDEX event_types_by_account ON event_types (account_id, code)",
    "CREATE INDEX event_types_by_code ON event_types (code)",

    `CREATE TABLE event_type_versions (
      event_type_id ${long} NOT NULL,
      account_id ${long} NOT NULL,
      version ${int} NOT NULL,
      description ${longText} NOT NULL,
      schema_json ${longText} NOT NULL,
      sample_json ${longText} NOT NULL,
      created_at ${time} NOT NULL,
      PRIMARY KEY (event_type_id, version)
    ) ${tableEnd}`,
  ];
}

function subscriptions({
  serial,
  long,
  int,
  time,
  text,
  longText,
  bytes,
  hash,
  tableEnd,
}: ColumnTypes): string[] {
  return [
    `CREATE TABLE subscriptions (
      id ${serial},
      account_id ${long} NOT NULL,
      target_url ${text(URL_CHARS)} NOT NULL,
      target_hash ${hash} NOT NULL,
      state ${text(WORD_CHARS)} NOT NULL,
      credential ${bytes},
      key_set ${text(32)} NOT NULL,
      acceptance ${text(WORD_CHARS)} NOT NULL,
      timeout_ms ${int},
      description ${text(255)},
      metadata ${longText},
      header_names ${longText},
      headers ${bytes},
      rate_per_1000s ${int},
      rate_burst ${int},
      concurrency ${int},
      draining ${int} NOT NULL DEFAULT 0,
      failing_since ${time},
      exhausted ${long} NOT NULL DEFAULT 0,
      created_at ${time} NOT NULL,
      updated_at ${time} NOT NULL,
      ended_at ${time},
      ended_reason ${text(255)}
    ) ${tableEnd}`,
    "CREATE INDEX subscriptions_by_account ON subscriptions (account_id, id)",
    "CREATE INDEX subscriptions_by_target ON subscriptions (account_id, target_hash)",
    "CREATE UNIQUE INDEX subscriptions_by_key_set ON subscriptions (key_set)",
    "CREATE INDEX subscriptions_draining ON subscriptions (draining)",

    `CREATE TABLE subscription_event_types (
      id ${serial},
      subscription_id ${long} NOT NULL,
      account_id ${long} NOT NULL,
      event_type ${text(EVENT_TYPE_CHARS)} NOT NULL,
      removed_at ${time},
      live_key ${hash}
    ) ${tableEnd}`,
    "CREATE UNIQUE INDEX subscription_event_types_live ON subscription_event_types (live_key)",
    "CREATE INDEX subscription_event_types_of ON subscription_event_types (subscription_id)",
    `CREATE INDEX subscription_event_types_matching
      ON subscription_event_types (account_id, event_type, removed_at, subscription_id)`,

    `CREATE TABLE signing_keys (
      id ${serial},
      subscription_id ${long} NOT NULL,
      account_id ${long} NOT NULL,
      secret ${bytes} NOT NULL,
      private_key ${bytes} NOT NULL,
      public_key ${text(64)} NOT NULL,
      created_at ${time} NOT NULL,
      expires_at ${time}
    ) ${tableEnd}`,
    "CREATE INDEX signing_keys_of ON signing_keys (subscription_id, id)",
  ];
}

function pace({ long, int, time, tableEnd }: ColumnTypes): string[] {
  return [
    `CREATE TABLE turns (
      subscription_id ${long} NOT NULL PRIMARY KEY,
      account_id ${long} NOT NULL,
      line_us ${time} NOT NULL,
      gate_us ${time} NOT NULL,
      hold_ms ${int} NOT NULL
    ) ${tableEnd}`,

    `CREATE TABLE turn_slots (
      subscription_id ${long} NOT NULL,
      slot ${long} NOT NULL,
      account_id ${long} NOT NULL,
      taken ${long} NOT NULL,
      PRIMARY KEY (subscription_id, slot)
    ) ${tableEnd}`,
  ];
}

function events({ long, int, time, text, bytes, hash, tableEnd }: ColumnTypes): string[] {
  return [
    `CREATE TABLE events (
      id ${text(ID_CHARS)} NOT NULL PRIMARY KEY,
      account_id ${long} NOT NULL,
      event_type ${text(EVENT_TYPE_CHARS)} NOT NULL,
      data ${bytes} NOT NULL,
      created_at ${time} NOT NULL
    ) ${tableEnd}`,
    "CREATE INDEX events_by_account ON events (account_id, id)",

    `CREATE TABLE idempotency_keys (
      account_id ${long} NOT NULL,
      key_hash ${hash} NOT NULL,
      content_hash ${hash} NOT NULL,
      event_id ${text(ID_CHARS)} NOT NULL,
      delivery_count ${int} NOT NULL,
      created_at ${time} NOT NULL,
      PRIMARY KEY (account_id, key_hash)
    ) ${tableEnd}`,
    "CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at)",

    `CREATE TABLE fanouts (
      event_id ${text(ID_CHARS)} NOT NULL PRIMARY KEY,
      account_id ${long} NOT NULL,
      event_type ${text(EVENT_TYPE_CHARS)} NOT NULL,
      as_of_at ${time} NOT NULL,
      as_of_row ${long} NOT NULL,
      after_target_hash ${hash} NOT NULL,
      has_delivery ${int} NOT NULL
    ) ${tableEnd}`,
  ];
}

function deliveries({ long, int, time, text, longText, bytes, hash, tableEnd }: ColumnTypes): string[] {
  return [
    `CREATE TABLE deliveries (
      id ${text(ID_CHARS)} NOT NULL PRIMARY KEY,
      account_id ${long} NOT NULL,
      event_id ${text(ID_CHARS)} NOT NULL,
      event_type ${text(EVENT_TYPE_CHARS)} NOT NULL,
      subscription_id ${long} NOT NULL,
      target_key ${hash} NOT NULL,
      state ${text(WORD_CHARS)} NOT NULL,
      attempts ${int} NOT NULL,
      next_attempt_at ${time},
      reconcile_after ${time},
      turn_at ${time},
      lease_owner ${text(64)},
      lease_until ${time},
      in_flight_of ${long},
      last_outcome ${text(WORD_CHARS)},
      last_status ${int},
      test ${int} NOT NULL,
      traceparent ${text(55)},
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
      delivery_id ${text(ID_CHARS)} NOT NULL,
      number ${int} NOT NULL,
      account_id ${long} NOT NULL,
      started_at ${time} NOT NULL,
      duration_ms ${int} NOT NULL,
      outcome ${text(WORD_CHARS)} NOT NULL,
      acceptance ${text(WORD_CHARS)} NOT NULL,
      status ${int},
      request_headers ${longText} NOT NULL,
      response_headers ${longText} NOT NULL,
      response_body ${bytes} NOT NULL,
      response_truncated ${int} NOT NULL,
      address ${text(64)},
      detail ${text(255)},
      target_url ${text(URL_CHARS)} NOT NULL,
      retry_after_ms ${time},
      PRIMARY KEY (delivery_id, number)
    ) ${tableEnd}`,
  ];
}

function changes({ serial, long, int, time, text, tableEnd }: ColumnTypes): string[] {
  return [
    `CREATE TABLE delivery_changes (
      id ${serial},
      batch ${long},
      account_id ${long} NOT NULL,
      delivery_id ${text(ID_CHARS)} NOT NULL,
      event_id ${text(ID_CHARS)} NOT NULL,
      event_type ${text(EVENT_TYPE_CHARS)} NOT NULL,
      subscription_id ${long} NOT NULL,
      cause ${text(WORD_CHARS)} NOT NULL,
      state ${text(WORD_CHARS)} NOT NULL,
      attempts ${int} NOT NULL,
      attempt_ms ${int},
      last_outcome ${text(WORD_CHARS)},
      last_status ${int},
      changed_at ${time} NOT NULL
    ) ${tableEnd}`,
    "CREATE INDEX delivery_changes_in_order ON delivery_changes (account_id, batch, id)",
    "CREATE INDEX delivery_changes_by_batch ON delivery_changes (batch, id)",

    `CREATE TABLE change_counter (
      id ${int} NOT NULL PRIMARY KEY,
      batch ${long} NOT NULL,
      oldest_batch ${long} NOT NULL
    ) ${tableEnd}`,
  ];
}

function statistics({ long, int, time, text, tableEnd }: ColumnTypes): string[] {
  return [
    `CREATE TABLE statistics (
      account_id ${long} NOT NULL,
      span_ms ${int} NOT NULL,
      from_at ${time} NOT NULL,
      events ${long} NOT NULL,
      deliveries ${long} NOT NULL,
      succeeded ${long} NOT NULL,
      failed ${long} NOT NULL,
      attempts ${long} NOT NULL,
      accepted ${long} NOT NULL,
      took ${text(255)} NOT NULL,
      PRIMARY KEY (account_id, span_ms, from_at)
    ) ${tableEnd}`,
    "CREATE INDEX statistics_by_age ON statistics (span_ms, from_at)",

    `CREATE TABLE statistics_cursor (
      id ${int} NOT NULL PRIMARY KEY,
      batch ${long} NOT NULL,
      change_id ${long} NOT NULL
    ) ${tableEnd}`,
  ];
}

function longRunning({ serial, long, int, time, text, bytes, hash, tableEnd }: ColumnTypes): string[] {
  return [
    `CREATE TABLE recoveries (
      id ${serial},
      account_id ${long} NOT NULL,
      kind ${text(WORD_CHARS)} NOT NULL,
      subscription_id ${long},
      state ${text(WORD_CHARS)} NOT NULL,
      since_at ${time} NOT NULL,
      until_at ${time} NOT NULL,
      dry_run ${int} NOT NULL,
      rate_per_second ${int} NOT NULL,
      cursor_id ${text(ID_CHARS)} NOT NULL,
      examined ${long} NOT NULL,
      made ${long} NOT NULL,
      left_out ${long} NOT NULL,
      parked ${long} NOT NULL,
      workflow_at ${time},
      created_at ${time} NOT NULL,
      ended_at ${time}
    ) ${tableEnd}`,
    "CREATE INDEX recoveries_by_account ON recoveries (account_id, id)",
    "CREATE INDEX recoveries_by_state ON recoveries (state, workflow_at)",

    `CREATE TABLE erasures (
      id ${serial},
      account_id ${long} NOT NULL,
      pointer ${text(256)},
      sealed_value ${bytes},
      value_hash ${hash},
      state ${text(WORD_CHARS)} NOT NULL,
      cursor_id ${text(ID_CHARS)} NOT NULL,
      examined ${long} NOT NULL,
      events ${long} NOT NULL,
      deliveries ${long} NOT NULL,
      attempts ${long} NOT NULL,
      digest ${hash} NOT NULL,
      workflow_at ${time},
      created_at ${time} NOT NULL,
      ended_at ${time}
    ) ${tableEnd}`,
    "CREATE INDEX erasures_by_state ON erasures (state, workflow_at)",
  ];
}

/** Inserts the only row of a table, unless an interrupted run has already done so. */
async function insertOnce(
  db: Kysely<unknown>,
  table: string,
  columns: readonly string[],
  values: readonly number[],
): Promise<void> {
  await sql`
    INSERT INTO ${sql.table(table)} (${sql.join(columns.map((column) => sql.ref(column)))})
    SELECT ${sql.join(values)} FROM (SELECT 1 AS one) AS single
    WHERE NOT EXISTS (SELECT id FROM ${sql.table(table)})
  `.execute(db);
}
