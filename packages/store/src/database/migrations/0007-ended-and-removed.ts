import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure, ensureNoIndex } from "./ensure.ts";

/**
 * Lets retention find the event types that were removed from subscriptions, and lets a URL's live
 * subscriptions be found however many of its subscriptions have ended.
 *
 * Each index reads its table once, which takes seconds for a million rows. MySQL builds them while the tables
 * are written to.
 */
export async function up(db: Kysely<unknown>, { name }: Pick<Seam, "name">): Promise<void> {
  // SQLite takes "not removed" for a narrow condition, and would search a whole index for it.
  const where = name === "sqlite" ? " WHERE removed_at IS NOT NULL" : "";
  await ensure(
    db,
    `CREATE INDEX subscription_event_types_removed ON subscription_event_types (removed_at)${where}`,
  );
  await ensure(db, "CREATE INDEX subscriptions_by_url ON subscriptions (account_id, target_hash, state)");
  await ensureNoIndex(db, { name, table: "subscriptions", index: "subscriptions_by_target" });
}
