import { randomBytes } from "node:crypto";
import type { Store } from "@posthaste/store";
import { sql } from "kysely";

/**
 * Has the database refuse certain rows, as it refuses one that breaks a rule of its own: the way to make one
 * piece of work throw and no other.
 *
 * @param options.hangsForS MySQL only: it does not refuse them, but takes so long with each, in seconds.
 *   Default: it refuses
 * @param options.condition SQL that names the row as `new`, such as `new.event_id = 'evt_1'`
 */
export async function poison(
  store: Store,
  options: { table: string; on: "insert" | "update"; condition: string; hangsForS?: number },
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
