import { type Kysely, sql } from "kysely";
import type { MigrationContext } from "./context.ts";

/**
 * 64 bits for what the database gives out and for what counts, on MySQL: a busy log of changes had used up 32
 * after days. SQLite's numbers have 64 anyway.
 *
 * MySQL does not change a type in place: it copies the table, once for all of its columns, and nobody writes
 * to it meanwhile. So what cannot grow stays as it is, in the large tables above all: the numbers of accounts
 * and subscriptions have 32 bits by their contract. Where a column is wide already nothing is done, so that a
 * run may follow a crash.
 */
export async function up(db: Kysely<unknown>, { database, columns }: MigrationContext): Promise<void> {
  if (database !== "mysql") return;
  const { long } = columns;
  const id = `id ${long} NOT NULL AUTO_INCREMENT`;
  const counts = (...names: string[]) => names.map((name) => `${name} ${long} NOT NULL`);
  const wide = {
    accounts: [id],
    tokens: [id],
    portal_links: [id],
    subscriptions: [id, `exhausted ${long} NOT NULL DEFAULT 0`],
    subscription_event_types: [id],
    fanouts: counts("as_of_row"),
    signing_keys: [id],
    event_types: [id],
    event_type_versions: counts("event_type_id"),
    turn_slots: counts("taken"),
    recoveries: [id],
    erasures: [id],
    statistics: counts("events", "deliveries", "succeeded", "failed", "attempts", "accepted"),
    statistics_cursor: counts("batch"),
    change_counter: counts("batch", "oldest_batch"),
    // The one that may be large, and so the last.
    delivery_changes: [id, `batch ${long}`],
  };
  for (const [table, changed] of Object.entries(wide)) {
    const changes = changed.map((column) => `MODIFY COLUMN ${column}`);
    await sql.raw(`ALTER TABLE ${table} ${changes.join(", ")}`).execute(db);
  }
}
