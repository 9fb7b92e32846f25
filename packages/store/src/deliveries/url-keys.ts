import { type DeliveryId, type EventId, MINUTE_MS } from "@posthaste/domain";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";

/*
 * # One event reaches one URL once
 *
 * `deliveries.target_key` is unique per event. Whoever creates a delivery for a URL gives it the URL's key,
 * which is the hash of the URL. So the holder of the key tells whether the URL is served, whoever created the
 * delivery: ingest, a fan-out or a replay. A resend has a random key: its subscription has been served.
 *
 * A delivery goes wherever its subscription points when it is sent, and nothing is sent once that has ended.
 * So a holder may cease to serve the URL. A new delivery then takes the key over, and the earlier one gets a
 * key that stands for no URL (`passOnKeys`). Everyone locks the event first, so nobody else takes the key
 * over meanwhile.
 *
 * A holder serves its URL if its subscription still has the URL, and either
 *
 *   is live    The delivery has been sent or will be. If it failed, a recovery or a resend sends it again.
 *   has ended  The URL has accepted the event.
 *
 * The key says nothing about a delivery that follows its subscription to another URL. So whoever asks for a
 * URL also looks at the deliveries of the subscriptions that have moved there.
 */

/**
 * How far the clocks of two processes may differ. A subscription whose `updated_at` is further before an
 * event had its URL when the event's first deliveries were created.
 */
export const CLOCKS_DIFFER_MS = MINUTE_MS;

/** The delivery of an event that holds a URL's key. */
export type KeyHolder = {
  readonly id: DeliveryId;
  readonly eventId: EventId;
  readonly key: Buffer;
  /** The URL of the key needs no other delivery of the event. */
  readonly serves: boolean;
};

/**
 * Reads which deliveries of these events hold the keys of these URLs. The caller has locked the events.
 *
 * @param of.eventIds several only with one URL, and the other way round: each is looked up with each
 */
export async function keyHolders(
  store: Store,
  tx: Tx,
  { eventIds, keys }: { eventIds: readonly EventId[]; keys: readonly Buffer[] },
): Promise<KeyHolder[]> {
  if (eventIds.length === 0 || keys.length === 0) return [];
  const rows = await tx
    .selectFrom(byIndex(store, "deliveries", "deliveries_once", "held"))
    .innerJoin("subscriptions as s", "s.id", "held.subscription_id")
    .select(["held.id", "held.event_id", "held.target_key", "s.target_hash", "s.state"])
    .select((eb) =>
      eb
        .case()
        .when("s.state", "!=", "ended")
        .then(0)
        // A resend or a recovery of the holder may have been accepted, too.
        .when(
          eb.exists(
            eb
              .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
              .select("deliveries.id")
              .whereRef("deliveries.event_id", "=", "held.event_id")
              .whereRef("deliveries.subscription_id", "=", "held.subscription_id")
              // An attempt under way when its delivery was cancelled may have been accepted since.
              .where((or) =>
                or.or([
                  or("deliveries.state", "=", "succeeded"),
                  or("deliveries.last_outcome", "=", "accepted"),
                ]),
              ),
          ),
        )
        .then(1)
        .else(0)
        .end()
        .as("accepted_before_end"),
    )
    .where("held.event_id", "in", eventIds)
    .where("held.target_key", "in", keys)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    eventId: row.event_id,
    key: row.target_key,
    serves:
      row.target_hash.equals(row.target_key) && (row.state !== "ended" || row.accepted_before_end === 1),
  }));
}
