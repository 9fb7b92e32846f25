import type { SubscriptionId } from "@posthaste/domain";
import { sql } from "kysely";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";

/**
 * Pending rows read at once: this takes half a millisecond, and without a backlog there are hardly more. They
 * belong to fewer than 1,000 subscriptions, so that a statement may list these: MariaDB turns a longer list
 * into a table to join.
 */
const ROWS_AT_ONCE = 900;
/** With jumps, as many subscriptions are found as one transaction visits. */
const FOUND_AT_ONCE = 64;
/** Jumps per statement. Sixteen cost little more than one, of which the round trip is most. */
const JUMPS_AT_ONCE = 16;

/**
 * Yields the subscriptions with pending deliveries, hundreds at a time: from the one after `start` to the
 * last, then from the first to `start`. The cost depends neither on the number of pending rows nor on the
 * database's statistics.
 *
 * Without a backlog, reading the next rows once shows all of these subscriptions. If the rows belong to few
 * subscriptions, each has many rows, and the search jumps over them to find more. After the very first read
 * it does not jump: a few subscriptions with that many rows are mostly enough.
 */
export async function* pendingSubscriptions(
  store: Store,
  start: number,
): AsyncGenerator<readonly SubscriptionId[], void> {
  let atLeast = 1;
  const laps = [{ from: start, upTo: Number.POSITIVE_INFINITY }];
  if (start > 0) laps.push({ from: 0, upTo: start });
  for (const { from, upTo } of laps) {
    for (let after: number | undefined = from; after !== undefined; ) {
      const { ids, isLast } = await pendingAfter(store, after, atLeast);
      atLeast = FOUND_AT_ONCE;
      const within = ids.filter((id) => id <= upTo);
      if (within.length > 0) yield within;
      after = isLast || within.length < ids.length ? undefined : ids.at(-1);
    }
  }
}

/** Returns the next subscriptions, at least `atLeast` if there are as many. `isLast`: no more follow. */
async function pendingAfter(
  store: Store,
  after: number,
  atLeast: number,
): Promise<{ ids: SubscriptionId[]; isLast: boolean }> {
  const { ids, isLast } = await readNext(store, after);
  const read = ids.length;
  if (isLast) return { ids, isLast };
  for (let last = ids.at(-1); ids.length < atLeast && last !== undefined; last = ids.at(-1)) {
    const found = await jumpFrom(store, last);
    if (found.length === 0) return { ids, isLast: true };
    ids.push(...found);
  }
  return { ids: ids.slice(0, Math.max(atLeast, read)), isLast: false };
}

/** Returns the subscriptions of the next pending rows. */
async function readNext(store: Store, after: number): Promise<{ ids: SubscriptionId[]; isLast: boolean }> {
  const some = store.db
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_state"))
    .select("subscription_id")
    .where("state", "=", "pending")
    .where("subscription_id", ">", after as SubscriptionId)
    .orderBy("subscription_id")
    .orderBy("id")
    .limit(ROWS_AT_ONCE);
  const rows = await store.db
    .selectFrom(some.as("some"))
    .select((eb) => ["subscription_id as id", eb.fn.countAll().as("counted")])
    .groupBy("subscription_id")
    .orderBy("subscription_id")
    .execute();
  const read = rows.reduce((sum, { counted }) => sum + Number(counted), 0);
  return { ids: rows.map(({ id }) => id), isLast: read < ROWS_AT_ONCE };
}

/**
 * Jumps over all rows of this subscription to the next one, and on. A jump needs the number that it starts
 * from, so several jumps at once start from consecutive numbers, like the ids of subscriptions: at least one
 * subscription is found, and mostly as many as there are jumps.
 *
 * Each database answers a `min` with constant conditions by one access to the index. MySQL does not do so if
 * the number comes from another row, as in a recursive query, or if it groups and expects small groups.
 */
async function jumpFrom(store: Store, after: number): Promise<SubscriptionId[]> {
  const jumps = Array.from(
    { length: JUMPS_AT_ONCE },
    (_, i) => sql`
      select min(subscription_id) as id from deliveries
      where state = 'pending' and subscription_id > ${after + i}`,
  );
  const { rows } = await sql<{ id: number | null }>`${sql.join(jumps, sql` union `)}`.execute(store.db);
  return rows.flatMap(({ id }) => (id === null ? [] : (Number(id) as SubscriptionId))).sort((a, b) => a - b);
}
