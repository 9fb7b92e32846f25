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
    const waits = await threadsThatWait(db);
    if (waits.length < count) return false;
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from information_schema.processlist
      where db = database() and id in (${sql.join(waits)})`.execute(db);
    return Number(rows[0]?.count) >= count;
  };
  await until(waiting, { withinMs: 20_000, everyMs: 25 });
}

/**
 * Returns the connections of the whole server that wait for a row. The view `innodb_trx` would not do: it is
 * refreshed only if nobody has read it for 100 ms, and tests in other processes read it too.
 */
async function threadsThatWait(db: Store["db"]): Promise<number[]> {
  const { rows } = await sql<{ Status: string }>`show engine innodb status`.execute(db);
  const transactions = rows[0]?.Status.split("---TRANSACTION").slice(1) ?? [];
  return transactions
    .filter((text) => text.includes("LOCK WAIT"))
    .flatMap((text) => /thread id (\d+)/.exec(text)?.slice(1).map(Number) ?? []);
}
