import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure, ensureNoIndex } from "./ensure.ts";
import { describeDeliveries } from "./sqlite-selectivity.ts";

/**
 * Lets claims go round accounts before subscriptions: the index of deliveries by state now begins with the
 * account. MySQL builds it while the table is written to.
 */
export async function up(db: Kysely<unknown>, { name }: Pick<Seam, "name">): Promise<void> {
  await ensure(
    db,
    "CREATE INDEX deliveries_by_state_and_account ON deliveries (state, account_id, subscription_id, id)",
  );
  await ensureNoIndex(db, { name, table: "deliveries", index: "deliveries_by_state" });
  if (name === "sqlite") await describeDeliveries(db);
}
