import type { Kysely } from "kysely";
import { ensure } from "./ensure.ts";

/**
 * Lets those of a URL's subscriptions be found that ended after an event, however many ended before it.
 *
 * The index reads its table once, which takes seconds for a million rows. MySQL builds it while the table is
 * written to.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await ensure(
    db,
    "CREATE INDEX subscriptions_ended_by_url ON subscriptions (account_id, target_hash, ended_at)",
  );
}
