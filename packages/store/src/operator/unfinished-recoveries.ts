import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import { type Recovery, recoveryOf } from "../long-running/recoveries.ts";

/** An unfinished recovery with its owner's name. */
export type UnfinishedRecovery = { readonly recovery: Recovery; readonly accountName: string };

const LISTED_MAX = 500;

/** Lists the recoveries and replays of all accounts that have not ended, by account; at most 500. */
export async function listUnfinishedRecoveries(store: Store): Promise<UnfinishedRecovery[]> {
  const unfinished = store.db
    .selectFrom(byIndex(store, "recoveries", "recoveries_unstarted"))
    .select("id")
    .where("state", "in", ["running", "paused"])
    .limit(LISTED_MAX);
  const rows = await store.db
    .selectFrom(unfinished.as("unfinished"))
    .innerJoin("recoveries", "recoveries.id", "unfinished.id")
    .innerJoin("accounts", "accounts.id", "recoveries.account_id")
    .selectAll("recoveries")
    .select("accounts.name as account_name")
    .orderBy("recoveries.account_id")
    .orderBy("recoveries.id")
    .execute();
  return rows.map((row) => ({ recovery: recoveryOf(row), accountName: row.account_name }));
}
