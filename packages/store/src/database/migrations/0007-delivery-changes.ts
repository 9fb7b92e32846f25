import { type Kysely, sql } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** The log of what became of deliveries, which can be followed, and the counter that puts it in order. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  const { serial, int, time, text, tableEnd } = columns;
  await ensure(
    db,
    `CREATE TABLE delivery_changes (
      id ${serial},
      batch ${int},
      account_id ${int} NOT NULL,
      delivery_id ${text(30)} NOT NULL,
      event_id ${text(30)} NOT NULL,
      event_type ${text(64)} NOT NULL,
      subscription_id ${int} NOT NULL,
      state ${text(32)} NOT NULL,
      attempts ${int} NOT NULL,
      last_outcome ${text(32)},
      last_status ${int},
      changed_at ${time} NOT NULL
    ) ${tableEnd}`,
  );
  await ensure(db, "CREATE INDEX delivery_changes_in_order ON delivery_changes (account_id, batch, id)");
  await ensure(db, "CREATE INDEX delivery_changes_by_batch ON delivery_changes (batch, id)");
  await ensure(
    db,
    `CREATE TABLE change_counter (
      id ${int} NOT NULL PRIMARY KEY,
      batch ${int} NOT NULL,
      oldest_batch ${int} NOT NULL
    ) ${tableEnd}`,
  );
  await sql`
    INSERT INTO change_counter (id, batch, oldest_batch)
    SELECT 1, 0, 0 FROM (SELECT 1 AS one) AS single WHERE NOT EXISTS (SELECT id FROM change_counter)
  `.execute(db);
}
