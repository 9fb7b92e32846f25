import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure, ensureNoColumn } from "./ensure.ts";

/**
 * A wide fan-out walks along the ids of subscriptions, which never change, and no longer along the hashes of
 * their URLs. An unfinished fan-out begins again: what it has created stays, and is left out. `fanouts` is
 * normally empty.
 */
export async function up(db: Kysely<unknown>, { columns: { long } }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE fanouts ADD COLUMN after_subscription_id ${long} NOT NULL DEFAULT 0`);
  await ensureNoColumn(db, { table: "fanouts", column: "after_target_hash" });
}
