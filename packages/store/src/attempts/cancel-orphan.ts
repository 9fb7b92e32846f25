import type { DeliveryId } from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import { cancel } from "../deliveries/deliveries.ts";
import { lockDelivery } from "../deliveries/move.ts";

/** What became of a delivery that could not be loaded. */
export type Orphan =
  /** It cannot be attempted, ever: the reason is written to it. */
  | { readonly kind: "cancelled"; readonly reason: string }
  /** It does not exist. */
  | { readonly kind: "not_found" }
  /** It can be loaded now. */
  | { readonly kind: "intact" };

/**
 * Cancels a delivery whose event or subscription does not exist: there is nothing to send, or nowhere to send
 * it. No operation leaves such a delivery behind. A restored backup or an earlier fault may, and without an
 * end it would be started again and again.
 */
export async function cancelOrphan(
  store: Store,
  { id, now }: { id: DeliveryId; now: number },
): Promise<Orphan> {
  return await transact(store, async (tx): Promise<Orphan> => {
    const row = await tx
      .selectFrom("deliveries as d")
      .leftJoin("events as e", "e.id", "d.event_id")
      .leftJoin("subscriptions as s", "s.id", "d.subscription_id")
      .select(["e.id as event", "s.id as subscription"])
      .where("d.id", "=", id)
      .executeTakeFirst();
    if (row === undefined) return { kind: "not_found" };
    if (row.event !== null && row.subscription !== null) return { kind: "intact" };
    const reason = row.event === null ? "its event does not exist" : "its subscription does not exist";
    const locked = await lockDelivery(store, tx, id);
    if (locked === undefined) return { kind: "not_found" };
    await cancel(tx, [locked], reason, now);
    return { kind: "cancelled", reason };
  });
}
