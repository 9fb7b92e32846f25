import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/**
 * Adds a mark for the subscriptions whose end is not finished, and an index that finds an account's live
 * subscriptions however many have ended.
 *
 * The column is added without touching a row, and each index reads the subscriptions once: about a second for
 * a million. Existing subscriptions that have ended keep 0. Upkeep marks those with parked deliveries, which
 * it finds by the index of the deliveries.
 */
export async function up(db: Kysely<unknown>, { columns }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN ending ${columns.int} NOT NULL DEFAULT 0`);
  await ensure(db, "CREATE INDEX subscriptions_ending ON subscriptions (ending)");
  await ensure(db, "CREATE INDEX subscriptions_by_state ON subscriptions (account_id, state)");
}
