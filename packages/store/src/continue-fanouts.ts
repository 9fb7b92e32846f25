import type { AccountId, EventId } from "@posthaste/domain";
import { walkSubscriptions } from "./match-subscriptions.ts";
import { deliveryRow, insertDeliveries } from "./new-deliveries.ts";
import type { Store } from "./store.ts";
import { type Tx, transact } from "./transact.ts";

/**
 * Goes on with fan-outs that were wider than one ingest call's cap, as of their ingest: a few steps, oldest first. Each step is
 * one transaction, which also moves the cursor, so a crash repeats and skips nothing. Several processes may do it at once: each
 * takes another fan-out, or waits its turn.
 *
 * @param options.deliveriesMax deliveries of one step at most, and so how long others wait for it
 * @returns how many deliveries were made; 0 where there is nothing to do
 */
export async function continueFanouts(
  store: Store,
  options: { now: number; deliveriesMax: number },
): Promise<number> {
  let made = 0;
  for (let step = 0; step < STEPS_MAX && made < options.deliveriesMax; step++) {
    // Most of the time there is none, and looking must not take a lock.
    const any = await store.db.selectFrom("fanouts").select("event_id").limit(1).executeTakeFirst();
    if (any === undefined) break;
    const stepped = await transact(store, (tx) => continueOldest(store, tx, options));
    if (stepped === undefined) break;
    made += stepped;
  }
  return made;
}

/** Fan-outs of a batch may each be served with a few deliveries, or a step may find nobody: then there is time for more. */
const STEPS_MAX = 20;

/** Undefined: others are at work on all there are. */
async function continueOldest(
  store: Store,
  tx: Tx,
  { now, deliveriesMax }: { now: number; deliveriesMax: number },
): Promise<number | undefined> {
  const oldest = tx.selectFrom("fanouts").selectAll().orderBy("event_id").limit(1);
  const fanout = await (store.seam.locksRows ? oldest.forUpdate().skipLocked() : oldest).executeTakeFirst();
  if (fanout === undefined) return undefined;
  const { event_type: eventType, event_id } = fanout;
  const accountId = fanout.account_id as AccountId;
  const eventId = event_id as EventId;

  const { matches, next } = await walkSubscriptions(
    tx,
    { accountId, eventType },
    {
      after: fanout.after_target_hash,
      asOf: { row: fanout.as_of_row, at: fanout.as_of_at },
      limit: deliveriesMax,
    },
  );
  const origin = { accountId, eventId, eventType, now };
  await insertDeliveries(
    tx,
    matches.map((match) => deliveryRow(origin, match)),
  );
  if (next === undefined) await tx.deleteFrom("fanouts").where("event_id", "=", event_id).execute();
  else {
    await tx
      .updateTable("fanouts")
      .set({ after_target_hash: next })
      .where("event_id", "=", event_id)
      .execute();
  }
  return matches.length;
}
