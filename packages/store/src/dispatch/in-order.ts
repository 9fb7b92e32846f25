import type { SubscriptionId } from "@posthaste/domain";
import { type Selectable, sql } from "kysely";
import { inState } from "../database/by-index.ts";
import { newDeliveryId } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";

/*
 * A replay sends events in the order of their ingest. Its deliveries are marked `in_order`, and their ids
 * have that order. A claim takes the oldest of a subscription's that waits for its first attempt, and none
 * while another one's first attempt is claimed or under way. Their retries, and all other deliveries, neither
 * wait for them nor hold them up.
 */

/**
 * How many of a subscription's deliveries in order may be pending. A claim passes over them to find others.
 * In a second, one after another, hardly more are sent.
 */
const AHEAD_MAX = 64;
/**
 * Pending deliveries of a subscription among which those in order are counted: a few milliseconds. Behind
 * that many others, no replay needs to create more.
 */
const COUNTED_MAX = 2_000;

/**
 * The condition in SQL that a pending delivery may be claimed, as far as order goes.
 *
 * @param hasOrdered a first attempt in order is claimed or under way
 */
export function passesInOrder(hasOrdered: boolean) {
  return sql`(attempts > 0 or in_order <= ${hasOrdered ? 0 : 1})`;
}

/** Returns whether a pending delivery's attempt comes after those of the deliveries in order before it. */
export function waitsInOrder(row: Pick<Selectable<Tables["deliveries"]>, "in_order" | "attempts">): boolean {
  return row.in_order === 1 && row.attempts === 0;
}

/**
 * Returns how many deliveries in order may be created now for a subscription. The transaction must hold the
 * subscription.
 */
export async function roomInOrder(
  store: Store,
  tx: Tx,
  { subscriptionId, now }: { subscriptionId: SubscriptionId; now: number },
): Promise<number> {
  const pending = await inState(store, tx, { subscriptionId, state: "pending" })
    .select(["id", "in_order", "attempts"])
    .limit(COUNTED_MAX)
    .execute();
  const waiting = pending.filter(waitsInOrder);
  if (pending.length === COUNTED_MAX || waiting.length >= AHEAD_MAX) return 0;
  // Ids rise within a process. Those of another one may be ahead, if its clock was.
  const last = waiting.at(-1);
  return last === undefined || last.id < newDeliveryId(now) ? AHEAD_MAX - waiting.length : 0;
}
