import type { Kysely } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** Event types made at run time, their versions, and whether an account's events are held against them. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  const { serial, int, time, text, longText, tableEnd } = columns;
  await ensure(
    db,
    `CREATE TABLE event_types (
      id ${serial},
      account_id ${int} NOT NULL,
      code ${text(64)} NOT NULL,
      version ${int} NOT NULL,
      bytes ${int} NOT NULL,
      created_at ${time} NOT NULL,
      updated_at ${time} NOT NULL,
      archived_at ${time}
    ) ${tableEnd}`,
  );
  await ensure(db, "CREATE UNIQUE INDEX event_types_by_account ON event_types (account_id, code)");
  await ensure(db, "CREATE INDEX event_types_by_code ON event_types (code)");
  await ensure(
    db,
    `CREATE TABLE event_type_versions (
      event_type_id ${int} NOT NULL,
      version ${int} NOT NULL,
      description ${longText} NOT NULL,
      schema_json ${longText} NOT NULL,
      sample_json ${longText} NOT NULL,
      created_at ${time} NOT NULL,
      PRIMARY KEY (event_type_id, version)
    ) ${tableEnd}`,
  );
  await ensure(db, `ALTER TABLE accounts ADD COLUMN schema_check ${text(32)}`);
}
