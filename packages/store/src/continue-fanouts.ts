import type { AccountId, EventId } from "@posthaste/domain";
import { matchSubscriptions } from "./match-subscriptions.ts";
import { deliveryRow, insertDeliveries } from "./new-deliveries.ts";
import type { Store } from "./store.ts";
import { transact } from "./transact.ts";

/**
 * Goes on with fan-outs that were wider than one ingest call's cap, as of their ingest: one chunk of the oldest one
 * in one transaction, which also moves its cursor, so a crash repeats and skips nothing. Several processes may do it
 * at once: each takes another fan-out, or waits its turn.
 *
 * @returns how many deliveries were made; 0 where there is nothing to do
 */
export async function continueFanouts(
  store: Store,
  { now, deliveriesMax }: { now: number; deliveriesMax: number },
): Promise<number> {
  // Most of the time there is none, and looking must not take a lock.
  const any = await store.db.selectFrom("fanouts").select("event_id").limit(1).executeTakeFirst();
  if (any === undefined) return 0;

  return await transact(store, async (tx) => {
    const oldest = tx.selectFrom("fanouts").selectAll().orderBy("event_id").limit(1);
    const fanout = await (store.seam.locksRows ? oldest.forUpdate().skipLocked() : oldest).executeTakeFirst();
    if (fanout === undefined) return 0;

    const { matches, more } = await matchSubscriptions(tx, {
      accountId: fanout.account_id as AccountId,
      eventType: fanout.event_type,
      after: fanout.after_target_hash,
      asOf: { row: fanout.as_of_row, at: fanout.as_of_at },
      limit: deliveriesMax,
    });
    const origin = {
      accountId: fanout.account_id as AccountId,
      eventId: fanout.event_id as EventId,
      eventType: fanout.event_type,
      now,
    };
    await insertDeliveries(
      tx,
      matches.map((match) => deliveryRow(origin, match)),
    );
    const last = matches.at(-1);
    if (more && last !== undefined) {
      await tx
        .updateTable("fanouts")
        .set({ after_target_hash: last.targetHash })
        .where("event_id", "=", fanout.event_id)
        .execute();
    } else {
      await tx.deleteFrom("fanouts").where("event_id", "=", fanout.event_id).execute();
    }
    return matches.length;
  });
}
