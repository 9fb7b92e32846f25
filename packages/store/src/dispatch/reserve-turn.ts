import type { Pace, SubscriptionId } from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import type { Delivery } from "../deliveries/deliveries.ts";
import { type LockedDelivery, lockDelivery, moveAll } from "../deliveries/move.ts";
import { waitUntil } from "../deliveries/transitions.ts";
import { inLine } from "../subscriptions/in-line.ts";
import { achievedPerSecond, lockTurns, type Turns } from "../subscriptions/pace.ts";
import { takePlace } from "./slot-blocks.ts";
import { readSlots, writeSlots } from "./turn-slots.ts";

/** The retries of a subscription are spread over slots of this length. */
const SLOT_MS = 10_000;

/** A retry that is to wait for its turn. */
export type Reservation = {
  readonly subscriptionId: SubscriptionId;
  readonly pace: Pace;
  readonly dueMs: number;
};

/**
 * Reserves the time of a retry: when it is due or, if its subscription already has as many retries then as it
 * can send, later by its position ÷ the rate. The time is reserved when the wait begins, not when it ends.
 * Otherwise thousands of retries that come due at once would each have to be told to come again, and others
 * would wait for that.
 *
 * @param reservation.delivery the delivery to write the time to, as it was when it was read; undefined: the
 *   caller writes it. If the delivery has moved since, nothing is reserved
 * @returns epoch milliseconds. If nothing was reserved, the time in the row, or `dueMs` if there is none
 */
export async function reserveTurn(
  store: Store,
  reservation: Reservation & { readonly delivery?: Waiting; readonly now: number },
): Promise<number> {
  const { delivery, subscriptionId, now } = reservation;
  return await inLine(store, subscriptionId, async (tx) => {
    const turns = await lockTurns(store, tx, subscriptionId);
    const row = delivery && (await lockDelivery(store, tx, delivery.id));
    if (delivery !== undefined && (row === undefined || hasMoved(row, delivery))) {
      return row?.next_attempt_at ?? reservation.dueMs;
    }
    const [atMs = reservation.dueMs] = await reserveIn(
      tx,
      [reservation],
      new Map([[subscriptionId, turns]]),
      now,
    );
    if (row !== undefined) await moveAll(tx, "reserve_turn", [row], waitUntil(atMs), now);
    return atMs;
  });
}

/** A delivery that waits for its next attempt. */
type Waiting = Pick<Delivery, "id" | "attempts" | "nextAttemptAt">;

function hasMoved(row: LockedDelivery, { attempts, nextAttemptAt }: Waiting): boolean {
  return row.attempts !== attempts || row.next_attempt_at !== nextAttemptAt;
}

/**
 * Reserves the times of several retries within a transaction, for deliveries that the caller writes; see
 * {@link reserveTurn}. It takes a few statements, however many they are and however many retries wait.
 *
 * @param lines the locked lines of their subscriptions
 * @returns the times in the order of the reservations
 */
export async function reserveIn(
  tx: Tx,
  reservations: readonly Reservation[],
  lines: ReadonlyMap<SubscriptionId, Turns>,
  now: number,
): Promise<number[]> {
  if (reservations.length === 0) return [];
  const wanted = reservations.map(({ subscriptionId, dueMs }) => ({
    subscriptionId,
    slot: Math.floor(dueMs / SLOT_MS),
  }));
  const slots = await readSlots(tx, wanted, Math.floor(now / SLOT_MS));
  const times = reservations.map(({ subscriptionId, pace, dueMs }) => {
    const turns = lines.get(subscriptionId);
    const read = slots.of(subscriptionId);
    if (turns === undefined || read === undefined) {
      throw new Error(`subscription ${subscriptionId} has no line`);
    }
    const due = Math.floor(dueMs / SLOT_MS);
    const perSlot = perSlotOf(pace, turns);
    const { slot, before } = takePlace(read.blocks, due, { perSlot, knownTo: read.knownTo(due) });
    return Math.max(dueMs, Math.ceil(slot * SLOT_MS + (before * SLOT_MS) / perSlot));
  });
  await writeSlots(tx, slots, lines);
  return times;
}

function perSlotOf(pace: Pace, turns: Turns): number {
  const capacity = achievedPerSecond(pace, turns);
  const perSecond = Math.min(pace.rate?.perSecond ?? capacity, capacity);
  return Math.max(1, Math.floor((perSecond * SLOT_MS) / 1_000));
}
