import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure, ensureNoIndex } from "./ensure.ts";

/**
 * Lets upkeep find its work account by account: wide fan-outs, subscriptions that are draining or ending, and
 * recoveries and erasures whose workflow is to be started.
 *
 * Each index reads its table once, which takes seconds for a million rows. MySQL builds them while the tables
 * are written to.
 */
export async function up(db: Kysely<unknown>, { name }: Pick<Seam, "name">): Promise<void> {
  await ensure(db, "CREATE INDEX fanouts_by_account ON fanouts (account_id, event_id)");
  for (const mark of ["draining", "ending"]) {
    await ensure(
      db,
      `CREATE INDEX subscriptions_${mark}_by_account ON subscriptions (${mark}, account_id, id)`,
    );
    await ensureNoIndex(db, { name, table: "subscriptions", index: `subscriptions_${mark}` });
  }
  for (const table of ["recoveries", "erasures"]) {
    await ensure(db, `CREATE INDEX ${table}_unstarted ON ${table} (state, account_id, id, workflow_at)`);
    await ensureNoIndex(db, { name, table, index: `${table}_by_state` });
  }
}
