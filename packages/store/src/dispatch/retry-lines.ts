import { EMPTY_LINE, endMs, type SubscriptionId } from "@posthaste/domain";
import { sql } from "kysely";
import { padded } from "../database/dialect/few-texts.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { type Turns, writeTurns } from "../subscriptions/pace.ts";

/**
 * A retry comes a little later than it was told: Temporal hands it out among others, to a worker that is
 * free. First attempts leave it its place for this long after the end of the line, or they would have all
 * places each time it comes.
 */
const LATE_MAX_MS = 5_000;

/** Returns whether retries that found no room may come back for it. */
export function retriesWait({ retryLine }: Pick<Turns, "retryLine">, now: number): boolean {
  return endMs(retryLine) + LATE_MAX_MS > now;
}

/**
 * Empties the lines of subscriptions whose retries are all gone: those that stood in line were cancelled, or
 * have been sent. The transaction must hold the lines.
 *
 * @returns the lines as they are now
 */
export async function emptyRetryLines(
  store: Store,
  tx: Tx,
  lines: ReadonlyMap<SubscriptionId, Turns>,
  now: number,
): Promise<Map<SubscriptionId, Turns>> {
  const after = new Map(lines);
  const withLine = [...lines].filter(([, turns]) => retriesWait(turns, now));
  const withRetries = await haveRetries(store, tx, withLine);
  for (const [id, turns] of withLine) {
    if (withRetries.has(id)) continue;
    const emptied = { ...turns, retryLine: EMPTY_LINE };
    await writeTurns(tx, id, emptied);
    after.set(id, emptied);
  }
  return after;
}

/**
 * Returns which of these subscriptions have deliveries that wait for a retry. It passes only deliveries that
 * are in flight, which are as many as the subscription's concurrency.
 */
async function haveRetries(
  store: Store,
  tx: Tx,
  lines: readonly (readonly [SubscriptionId, Turns])[],
): Promise<Set<SubscriptionId>> {
  if (lines.length === 0) return new Set();
  const byState = sql.raw(store.seam.byIndex("deliveries_by_state_and_account"));
  const each = padded(lines).map(
    ([id, { accountId }]) => sql`select * from (
      select subscription_id from deliveries ${byState}
      where state = 'started' and account_id = ${accountId} and subscription_id = ${id}
        and in_flight_of is null
      limit 1
    ) as waiting`,
  );
  const { rows } = await sql<{
    subscription_id: SubscriptionId;
  }>`${sql.join(each, sql` union all `)}`.execute(tx);
  return new Set(rows.map(({ subscription_id }) => subscription_id));
}
