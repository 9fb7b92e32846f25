import { type AccountId, MINUTE_MS } from "@posthaste/domain";
import { sql } from "kysely";
import { type ListByAccount, listByAccount, type PageByAccount } from "../database/list-by-account.ts";
import type { Store } from "../database/store.ts";

/** A workflow that has been silent for this long is started again, which is harmless if it runs. */
const WORKFLOW_CHECK_MS = MINUTE_MS;

/**
 * Lists, by account, the recoveries or erasures in these states whose workflow is not known to run. One index
 * holds all that this reads, so those whose workflow runs are passed quickly.
 */
export async function listUnstarted<Id extends number>(
  { db, seam }: Store,
  { table, states, now }: { table: "recoveries" | "erasures"; states: readonly string[]; now: number },
  page: PageByAccount<Id>,
): Promise<ListByAccount<Id>> {
  // A time in the future was written by a clock that was wrong, so it says nothing.
  const unstarted = (state: string) => sql`
    from ${sql.table(table)} ${sql.raw(seam.byIndex(`${table}_unstarted`))}
    where state = ${state} and (workflow_at is null or workflow_at < ${now - WORKFLOW_CHECK_MS}
      or workflow_at > ${now + WORKFLOW_CHECK_MS})`;
  return await listByAccount(
    {
      async nextAccount(after) {
        const found: AccountId[] = [];
        for (const state of states) {
          const query = sql<{ account_id: AccountId }>`
            select account_id ${unstarted(state)} and account_id > ${after} order by account_id limit 1`;
          found.push(...(await query.execute(db)).rows.map((row) => row.account_id));
        }
        return found.sort((a, b) => a - b)[0];
      },
      async piecesOf({ accountId, after = 0, limit }) {
        const found: Id[] = [];
        for (const state of states) {
          const query = sql<{ id: Id }>`
            select id ${unstarted(state)} and account_id = ${accountId} and id > ${after}
            order by id limit ${limit}`;
          found.push(...(await query.execute(db)).rows.map(({ id }) => id));
        }
        return found.sort((a, b) => a - b).slice(0, limit);
      },
    },
    page,
  );
}
