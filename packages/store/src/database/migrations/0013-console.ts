import { type Kysely, sql } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** What the console shows: the requests as they were sent, links into it, and counters over time. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  const { serial, int, time, text, longText, hash, tableEnd } = columns;
  await ensure(db, `ALTER TABLE attempts ADD COLUMN request_headers ${longText}`);
  await ensure(db, `ALTER TABLE tokens ADD COLUMN session ${int}`);
  await ensure(
    db,
    `CREATE TABLE portal_links (
      id ${serial},
      account_id ${int} NOT NULL,
      code_hash ${hash} NOT NULL,
      scopes ${text(255)} NOT NULL,
      session_ms ${int} NOT NULL,
      expires_at ${time} NOT NULL,
      created_at ${time} NOT NULL
    ) ${tableEnd}`,
  );
  await ensure(db, "CREATE UNIQUE INDEX portal_links_by_code ON portal_links (code_hash)");
  await ensure(db, "CREATE INDEX portal_links_by_account ON portal_links (account_id, expires_at)");
  await ensure(
    db,
    `CREATE TABLE statistics (
      account_id ${int} NOT NULL,
      span_ms ${int} NOT NULL,
      from_at ${time} NOT NULL,
      events ${int} NOT NULL,
      deliveries ${int} NOT NULL,
      succeeded ${int} NOT NULL,
      failed ${int} NOT NULL,
      attempts ${int} NOT NULL,
      accepted ${int} NOT NULL,
      took ${text(255)} NOT NULL,
      PRIMARY KEY (account_id, span_ms, from_at)
    ) ${tableEnd}`,
  );
  await ensure(db, "CREATE INDEX statistics_by_age ON statistics (span_ms, from_at)");
  await ensure(
    db,
    `CREATE TABLE statistics_cursor (
      id ${int} NOT NULL PRIMARY KEY,
      batch ${int} NOT NULL,
      change_id ${time} NOT NULL
    ) ${tableEnd}`,
  );
  // From the oldest change on that is kept, so that an installation that is older than its counters has some at once.
  await sql`
    INSERT INTO statistics_cursor (id, batch, change_id)
    SELECT 1, 0, 0 FROM (SELECT 1 AS one) AS single WHERE NOT EXISTS (SELECT id FROM statistics_cursor)
  `.execute(db);
}
