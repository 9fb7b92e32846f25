import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/**
 * Notes the host of each subscription, and whether it has answered one of its deliveries with 2xx. The
 * columns are added without touching a row. Earlier subscriptions have no host until their next such answer:
 * they stay, and are not counted among those on a host.
 *
 * The index reads its table once, which takes seconds for a million rows. MySQL builds it while the table is
 * written to.
 */
export async function up(
  db: Kysely<unknown>,
  { columns: { hash, int } }: Pick<Seam, "columns">,
): Promise<void> {
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN host_hash ${hash}`);
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN host_proven ${int} NOT NULL DEFAULT 0`);
  await ensure(
    db,
    "CREATE INDEX subscriptions_by_host ON subscriptions (account_id, host_hash, host_proven, state)",
  );
}
