import { randomBytes } from "node:crypto";
import type { Store } from "@posthaste/store";
import { sql } from "kysely";

/**
 * Makes the database refuse certain rows, as if they violated a constraint, so that one piece of work throws
 * and the others do not.
 *
 * @param options.condition an SQL condition on the row, `new` or (on delete) `old`, such as `new.event_id =
 *   'evt_1'`
 * @param options.hangsForS MySQL only: delays each such row by this many seconds instead of refusing
 *   it. Default: refuse
 * @returns `heal`, which accepts the rows again
 */
export async function poison(
  store: Store,
  options: { table: string; on: "insert" | "update" | "delete"; condition: string; hangsForS?: number },
): Promise<{ heal(): Promise<void> }> {
  const { table, on, condition, hangsForS } = options;
  const name = `poison_${randomBytes(4).toString("hex")}`;
  const refuse =
    store.seam.name === "mysql"
      ? `for each row begin if ${condition} then ${inMysql(hangsForS)}; end if; end`
      : `when ${condition} begin select raise(abort, 'poison'); end`;
  await sql.raw(`create trigger ${name} before ${on} on ${table} ${refuse}`).execute(store.db);
  return { heal: async () => void (await sql.raw(`drop trigger ${name}`).execute(store.db)) };
}

function inMysql(hangsForS: number | undefined): string {
  return hangsForS === undefined
    ? "signal sqlstate '45000' set message_text = 'poison'"
    : `do sleep(${hangsForS})`;
}
