import { type Kysely, sql } from "kysely";
import type { MigrationContext } from "./context.ts";

/**
 * Tells SQLite how many deliveries have what in common. By itself it gathers no statistics, and without any
 * it takes ten rows to be in a state: of a hundred deliveries that are named and have to be pending, it would
 * rather look through all that is pending. (MySQL looks before it plans.)
 *
 * Orders of magnitude are enough, and fixed ones keep the plans the same whatever is in the table at the
 * moment.
 */
export async function up(db: Kysely<unknown>, { database }: MigrationContext): Promise<void> {
  if (database !== "sqlite") return;
  // Gathers nothing of ours, but makes the table of statistics where there is none.
  const readStatistics = sql.raw("ANALYZE sqlite_schema");
  await readStatistics.execute(db);
  await sql.raw("DELETE FROM sqlite_stat1 WHERE tbl = 'deliveries'").execute(db);
  for (const [index, numbers] of Object.entries(DELIVERIES)) {
    const stat = numbers.join(" ");
    await sql`INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('deliveries', ${index}, ${stat})`.execute(db);
  }
  await readStatistics.execute(db);
}

const ROWS = 1_000_000;
const OF_STATE = 200_000;
const OF_ACCOUNT = 10_000;
const OF_SUBSCRIPTION = 1_000;

/** By index: rows in all, then those that agree in its first column, in its first two, and so on. */
const DELIVERIES: Readonly<Record<string, readonly number[]>> = {
  sqlite_autoindex_deliveries_1: [ROWS, 1],
  deliveries_once: [ROWS, 4, 1],
  deliveries_by_state: [ROWS, OF_STATE, OF_SUBSCRIPTION, 1],
  deliveries_in_flight: [ROWS, 100],
  deliveries_overdue: [ROWS, OF_STATE, 10],
  deliveries_by_account: [ROWS, OF_ACCOUNT, 1],
  deliveries_by_account_state: [ROWS, OF_ACCOUNT, 2_000, 1],
  deliveries_by_subscription: [ROWS, OF_SUBSCRIPTION, 1],
};
