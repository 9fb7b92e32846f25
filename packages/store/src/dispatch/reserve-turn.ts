import type { AccountId, DeliveryId, Pace, SubscriptionId } from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { lockDeliveries, moveAll } from "../deliveries/move.ts";
import { waitUntil } from "../deliveries/transitions.ts";
import { deleteTurnSlots, HOLD_DEFAULT_MS, lockTurns } from "../subscriptions/pace.ts";

/** The retries of a subscription are spread over slots of this length. */
const SLOT_MS = 10_000;
/**
 * Slots read at once. Mostly the first has room, but a subscription may have thousands of full slots ahead.
 */
const SLOTS_AT_ONCE = 50;
/** Slots examined, a day and more. If all are full, the retry stands behind the last of them. */
const SLOTS_MAX = 10_000;
/** Passed slots deleted with each new one. After a long backlog there may be thousands. */
const PASSED_AT_ONCE = 50;

/**
 * Reserves the time of a retry: when it is due or, if its subscription already has as many retries then as it
 * can send, later by its position ÷ the rate. The time is reserved when the wait begins, not when it ends.
 * Otherwise thousands of retries that come due at once would each have to be told to come again, and others
 * would wait for that.
 *
 * @param reservation.deliveryId the delivery to write the time to; undefined: the caller writes it
 * @returns epoch milliseconds
 */
export async function reserveTurn(
  store: Store,
  reservation: {
    subscriptionId: SubscriptionId;
    deliveryId?: DeliveryId;
    pace: Pace;
    dueMs: number;
    now: number;
  },
): Promise<number> {
  const { deliveryId } = reservation;
  return await transact(store, async (tx) => {
    const atMs = await reserveIn(store, tx, reservation);
    if (deliveryId !== undefined) {
      const rows = await lockDeliveries(store, tx, [deliveryId]);
      await moveAll(tx, "reserve_turn", rows, waitUntil(atMs), reservation.now);
    }
    return atMs;
  });
}

/** Reserves a turn within a transaction, for a delivery that the caller writes; see {@link reserveTurn}. */
export async function reserveIn(
  store: Store,
  tx: Tx,
  {
    subscriptionId,
    pace,
    dueMs,
    now,
  }: { subscriptionId: SubscriptionId; pace: Pace; dueMs: number; now: number },
): Promise<number> {
  const { accountId, holdMs } = await lockTurns(store, tx, subscriptionId);
  const capacity = (pace.concurrency * 1_000) / (holdMs || HOLD_DEFAULT_MS);
  const perSecond = Math.min(pace.rate?.perSecond ?? capacity, capacity);
  const perSlot = Math.max(1, Math.floor((perSecond * SLOT_MS) / 1_000));
  const { slot, taken } = await firstWithRoom(tx, subscriptionId, Math.floor(dueMs / SLOT_MS), perSlot);
  if (taken === 0) await beginSlot(store, tx, { accountId, subscriptionId, slot }, Math.floor(now / SLOT_MS));
  else {
    await tx
      .updateTable("turn_slots")
      .set({ taken: taken + 1 })
      .where("subscription_id", "=", subscriptionId)
      .where("slot", "=", slot)
      .execute();
  }
  return Math.max(dueMs, Math.ceil(slot * SLOT_MS + (taken * SLOT_MS) / perSlot));
}

async function firstWithRoom(
  tx: Tx,
  subscriptionId: SubscriptionId,
  from: number,
  perSlot: number,
): Promise<{ slot: number; taken: number }> {
  let slot = from;
  for (let read = 0; read < SLOTS_MAX; read += SLOTS_AT_ONCE) {
    const rows = await tx
      .selectFrom("turn_slots")
      .select(["slot", "taken"])
      .where("subscription_id", "=", subscriptionId)
      .where("slot", ">=", slot)
      .orderBy("slot")
      .limit(SLOTS_AT_ONCE)
      .execute();
    for (const row of rows) {
      if (row.slot > slot) return { slot, taken: 0 };
      if (row.taken < perSlot) return row;
      slot += 1;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < SLOTS_AT_ONCE) break;
    if (read + SLOTS_AT_ONCE >= SLOTS_MAX) return last;
  }
  return { slot, taken: 0 };
}

/** Inserts a new slot, and deletes some slots that have passed: more than one, so that they become fewer. */
async function beginSlot(
  store: Store,
  tx: Tx,
  { accountId, subscriptionId, slot }: { accountId: AccountId; subscriptionId: SubscriptionId; slot: number },
  passed: number,
): Promise<void> {
  const before = Math.min(passed, slot);
  await deleteTurnSlots(store, tx, { id: subscriptionId, limit: PASSED_AT_ONCE, before });
  await tx
    .insertInto("turn_slots")
    .values({ subscription_id: subscriptionId, account_id: accountId, slot, taken: 1 })
    .execute();
}
