import type { SubscriptionId } from "@posthaste/domain";
import { sql } from "kysely";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";

/**
 * Pending rows read at once: half a millisecond, and without a backlog there are hardly more. Of no more than
 * 1,000 subscriptions, so that whoever asks for these may name them: a longer list MariaDB takes for a table
 * to join.
 */
const ROWS_AT_ONCE = 900;
/** Where jumps are made, as many are found as are visited in one transaction. */
const FOUND_AT_ONCE = 64;
/** Jumps of one statement: sixteen cost little more than one, whose round trip is most of it. */
const JUMPS_AT_ONCE = 16;

/**
 * The subscriptions that have something pending, from the one after `start` on and round to it again,
 * hundreds at a time. What they cost does not depend on how many rows wait, nor on what the database's
 * statistics say of them.
 *
 * Without a backlog one look at the next rows shows them all. Where it shows few, each has many rows, which
 * are jumped over to find more. Only the first look is not gone on with like that: few with so many are
 * mostly enough.
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

/** The next ones, `atLeast` so many if there are; `isLast`: no more follow. */
async function pendingAfter(
  store: Store,
  after: number,
  atLeast: number,
): Promise<{ ids: SubscriptionId[]; isLast: boolean }> {
  const { ids, isLast } = await readOn(store, after);
  const read = ids.length;
  if (isLast) return { ids, isLast };
  for (let last = ids.at(-1); ids.length < atLeast && last !== undefined; last = ids.at(-1)) {
    const found = await jumpFrom(store, last);
    if (found.length === 0) return { ids, isLast: true };
    ids.push(...found);
  }
  return { ids: ids.slice(0, Math.max(atLeast, read)), isLast: false };
}

/** Whose the next pending rows are. */
async function readOn(store: Store, after: number): Promise<{ ids: SubscriptionId[]; isLast: boolean }> {
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
  return { ids: rows.map(({ id }) => id as SubscriptionId), isLast: read < ROWS_AT_ONCE };
}

/**
 * Jumps over all rows of this one to the next, and on. A jump needs the number that it starts from, so
 * several at once start from numbers that follow each other, as those of subscriptions do: at least one is
 * found, and mostly as many as there are jumps.
 *
 * Each database answers a `min` whose conditions are constants by one look into the index. MySQL does not
 * where the number comes from another row, as in a recursive query, nor where it groups and takes the groups
 * for small.
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
