import { until } from "@posthaste/testkit";
import { sql } from "kysely";
import type { Store } from "../src/index.ts";

/** Waits until this many transactions on this MySQL database wait for a lock, or until `orElse` is so. */
export async function waitForLockWaits(
  { db }: Store,
  count: number,
  orElse: () => boolean = () => false,
): Promise<void> {
  const waiting = async () => {
    if (orElse()) return true;
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from information_schema.innodb_trx t
      join information_schema.processlist p on p.id = t.trx_mysql_thread_id
      where t.trx_state = 'LOCK WAIT' and p.db = database()`.execute(db);
    return Number(rows[0]?.count) >= count;
  };
  // The server refreshes this view only if nobody has read it for 100 ms.
  await until(waiting, { withinMs: 20_000, everyMs: 150 });
}
