import type { AccountId, EventId } from "@posthaste/domain";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import { deliveryRow, insertMissingDeliveries } from "../deliveries/new-deliveries.ts";
import { walkSubscriptions } from "../subscriptions/match-subscriptions.ts";

/** Returns events whose fan-out exceeded one ingest call's cap and is not finished, oldest first. */
export async function listFanouts(
  store: Store,
  { after, limit }: { after: EventId | undefined; limit: number },
): Promise<EventId[]> {
  const rows = await store.db
    .selectFrom("fanouts")
    .select("event_id")
    .where("event_id", ">", after ?? ("" as EventId))
    .orderBy("event_id")
    .limit(limit)
    .execute();
  return rows.map((row) => row.event_id);
}

/**
 * Continues a fan-out by one step, as of its ingest. A step is one transaction that also moves the cursor, so
 * a crash repeats and skips nothing. A delivery that a replay has already created stays as it is.
 *
 * @param options.deliveriesMax subscriptions examined in the step, which also bounds the deliveries created
 * @returns how many deliveries were created, and whether there is more to do. False if another process works
 *   on the fan-out
 */
export async function continueFanout(
  store: Store,
  { eventId, now, deliveriesMax }: { eventId: EventId; now: number; deliveriesMax: number },
): Promise<{ made: number; goesOn: boolean }> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("fanouts").selectAll().where("event_id", "=", eventId);
    const fanout = await lockRows(store, query, "skip").executeTakeFirst();
    if (fanout === undefined) return { made: 0, goesOn: false };
    const { event_type: eventType } = fanout;
    const accountId = fanout.account_id as AccountId;

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
    const made = await insertMissingDeliveries(
      store,
      tx,
      matches.map((match) => deliveryRow(origin, match)),
      fanout.has_delivery === 1 ? "fanned_out" : "ingested",
    );
    if (next === undefined) await tx.deleteFrom("fanouts").where("event_id", "=", eventId).execute();
    else {
      await tx
        .updateTable("fanouts")
        .set({ after_target_hash: next, has_delivery: made > 0 ? 1 : fanout.has_delivery })
        .where("event_id", "=", eventId)
        .execute();
    }
    return { made, goesOn: next !== undefined };
  });
}
