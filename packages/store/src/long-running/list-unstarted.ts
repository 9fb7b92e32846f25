import { type AccountId, MINUTE_MS } from "@posthaste/domain";
import { sql } from "kysely";
import {
  alongIndex,
  type ListByAccount,
  listByAccount,
  type PageByAccount,
} from "../database/list-by-account.ts";
import type { Store } from "../database/store.ts";

/** A workflow that has been silent for this long is started again, which is harmless if it runs. */
const WORKFLOW_CHECK_MS = MINUTE_MS;

/**
 * Lists, by account, the recoveries or erasures in these states whose workflow is not known to run. One index
 * holds all that this reads, so those whose workflow runs are passed quickly.
 */
export async function listUnstarted<Id extends number>(
  store: Store,
  { table, states, now }: { table: "recoveries" | "erasures"; states: readonly string[]; now: number },
  page: PageByAccount<Id>,
): Promise<ListByAccount<Id>> {
  const ofStates = states.map((state) =>
    alongIndex(store, {
      table,
      index: `${table}_unstarted`,
      // A time in the future was written by a clock that was wrong, so it says nothing.
      where: sql`state = ${state} and (workflow_at is null or workflow_at < ${now - WORKFLOW_CHECK_MS}
        or workflow_at > ${now + WORKFLOW_CHECK_MS})`,
      column: "id",
      least: 0 as Id,
    }),
  );
  return await listByAccount(
    {
      async nextAccount(after) {
        const found: AccountId[] = [];
        for (const { nextAccount } of ofStates) {
          const next = await nextAccount(after);
          if (next !== undefined) found.push(next);
        }
        return found.sort((a, b) => a - b)[0];
      },
      async piecesOf(some) {
        const found: Id[] = [];
        for (const { piecesOf } of ofStates) found.push(...(await piecesOf(some)));
        return found.sort((a, b) => a - b).slice(0, some.limit);
      },
    },
    page,
  );
}
