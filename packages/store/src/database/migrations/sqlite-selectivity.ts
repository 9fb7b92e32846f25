import { type Kysely, sql } from "kysely";

/**
 * Tells SQLite's planner how selective the indexes of `deliveries` are. SQLite gathers no statistics by
 * itself and assumes ten rows per state. A query for a hundred pending deliveries by id would therefore scan
 * all pending deliveries. MySQL needs no help: it samples the index before it plans.
 *
 * Orders of magnitude are enough. Fixed numbers keep the plans the same whatever the table contains.
 */
export async function describeDeliveries(db: Kysely<unknown>): Promise<void> {
  // Creates sqlite_stat1 if it does not exist. Gathers no statistics about these tables.
  const readStatistics = sql.raw("ANALYZE sqlite_schema");
  await readStatistics.execute(db);
  await sql.raw("DELETE FROM sqlite_stat1 WHERE tbl = 'deliveries'").execute(db);
  for (const [index, numbers] of Object.entries(SELECTIVITY)) {
    const stat = numbers.join(" ");
    await sql`INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('deliveries', ${index}, ${stat})`.execute(db);
  }
  await readStatistics.execute(db);
}

const ROWS = 1_000_000;
const OF_STATE = 200_000;
const OF_ACCOUNT = 10_000;
const OF_SUBSCRIPTION = 1_000;

/** For each index: all rows, then the rows with the same first column, with the same first two, and so on. */
const SELECTIVITY: Readonly<Record<string, readonly number[]>> = {
  sqlite_autoindex_deliveries_1: [ROWS, 1],
  deliveries_once: [ROWS, 4, 1],
  deliveries_by_event: [ROWS, 4, 1],
  deliveries_by_state_and_account: [ROWS, OF_STATE, OF_ACCOUNT, OF_SUBSCRIPTION, 1],
  deliveries_in_flight: [ROWS, 100],
  deliveries_overdue: [ROWS, OF_STATE, 10],
  deliveries_by_account: [ROWS, OF_ACCOUNT, 1],
  deliveries_by_account_state: [ROWS, OF_ACCOUNT, 2_000, 1],
  deliveries_by_subscription: [ROWS, OF_SUBSCRIPTION, 1],
};
