import {
  ALL_EVENT_TYPES,
  type EventId,
  isOperational,
  type LeftOutReason,
  type SubscriptionId,
} from "@posthaste/domain";
import { byIndex } from "../database/by-index.ts";
import { ID_SLACK_MS, leastEventId } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { lockEvents } from "../deliveries/lock-events.ts";
import { type DeliveryRow, deliveryRow } from "../deliveries/new-deliveries.ts";
import { type KeyHolder, keyHolders } from "../deliveries/url-keys.ts";
import { roomInOrder } from "../dispatch/in-order.ts";
import { lockSubscriptions } from "../subscriptions/lock-subscription.ts";
import { parks } from "../subscriptions/match-subscriptions.ts";
import { deliveredTo, PAIRS_PER_STEP, receiversOn } from "./delivered-events.ts";
import { recoveryOf } from "./recoveries.ts";
import { type Bounds, originOf, type RecoveryRow, type Step } from "./recovery-step.ts";

const NOTHING = { read: 0, examined: 0, rows: [], leftOut: [] };

/**
 * Plans the deliveries of the next events that a replay's subscription has not had.
 */
export async function replayEvents(
  store: Store,
  tx: Tx,
  row: RecoveryRow,
  { limit, now, ...bounds }: Bounds,
): Promise<Step> {
  const id = row.subscription_id;
  const subscription = id === null ? undefined : (await lockSubscriptions(store, tx, [id])).get(id);
  if (subscription === undefined || subscription.state === "ended") {
    const subscriptionEndedAt = subscription?.ended_at;
    return { ...NOTHING, cursor: undefined, subscriptionEndedAt };
  }
  // What is parked is sent in order, however much it is.
  const isAhead = row.dry_run === 0 && !parks(subscription);
  const room = isAhead
    ? await roomInOrder(store, tx, { subscriptionId: subscription.id, now })
    : bounds.makeMax;
  if (room === 0) return { ...NOTHING, cursor: row.cursor_id, isHeldUp: true };
  const makeMax = Math.min(bounds.makeMax, room);
  const { eventTypes } = recoveryOf(row).filter;
  const wanted = await wantedBy(tx, subscription.id, eventTypes);
  const events = await tx
    .selectFrom(byIndex(store, "events", "events_by_account"))
    .select(["id", "event_type", "created_at"])
    .where("account_id", "=", row.account_id)
    .where("id", ">", row.cursor_id as EventId)
    .where("id", "<", leastEventId(row.until_at + ID_SLACK_MS))
    .orderBy("id")
    .limit(limit)
    .execute();
  const candidates = events.filter(
    (event) =>
      wanted(event.event_type) && event.created_at >= row.since_at && event.created_at < row.until_at,
  );
  const since = Math.min(...candidates.map((event) => event.created_at));
  const { length: pairsPerEvent } = await receiversOn(store, tx, subscription, since);
  const looked = candidates.slice(0, Math.max(1, Math.floor(PAIRS_PER_STEP / pairsPerEvent)));
  const ids = looked.map((event) => event.id);
  const intact = await lockEvents(store, tx, ids);
  // Read again, since another subscription may have moved here while this waited for the lock.
  const receivers = await receiversOn(store, tx, subscription, since);
  const delivered = await deliveredTo(store, tx, ids, { subscription, receivers, since });
  const holders = await keyHolders(store, tx, { eventIds: ids, keys: [subscription.target_hash] });
  const holderOf = new Map(holders.map((holder) => [holder.eventId, holder]));
  const rows: DeliveryRow[] = [];
  const superseded: KeyHolder[] = [];
  const leftOut: LeftOutReason[] = [];
  for (const event of looked) {
    if (rows.length === makeMax) break;
    const holder = holderOf.get(event.id);
    const why = delivered.get(event.id) ?? (holder?.serves ? "already_sent" : undefined);
    if (why !== undefined) leftOut.push(why);
    else if (!intact.has(event.id)) leftOut.push("event_deleted");
    else {
      if (holder !== undefined) superseded.push(holder);
      const origin = originOf(row, { event_id: event.id, event_type: event.event_type }, now);
      const { id: subscriptionId, target_hash: targetHash } = subscription;
      const match = { subscriptionId, parks: parks(subscription), targetHash };
      rows.push(deliveryRow({ ...origin, isInOrder: true }, match));
    }
  }
  const examined = rows.length + leftOut.length;
  const read = looked.length < candidates.length ? looked.length : events.length;
  const step = { read, examined, rows, superseded, leftOut };
  if (examined < candidates.length) return { ...step, cursor: candidates[examined - 1]?.id };
  return { ...step, cursor: events.length < limit ? undefined : events.at(-1)?.id };
}

/** Returns which event types the subscription has, and the replay is for. */
async function wantedBy(
  tx: Tx,
  subscriptionId: SubscriptionId,
  only: readonly string[] | undefined,
): Promise<(eventType: string) => boolean> {
  const rows = await tx
    .selectFrom("subscription_event_types")
    .select("event_type")
    .where("subscription_id", "=", subscriptionId)
    .where("removed_at", "is", null)
    .execute();
  const types = new Set(rows.map((row) => row.event_type));
  return (eventType) =>
    (only === undefined || only.includes(eventType)) &&
    (types.has(eventType) || (types.has(ALL_EVENT_TYPES) && !isOperational(eventType)));
}
