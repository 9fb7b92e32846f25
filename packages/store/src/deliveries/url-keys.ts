import { type AccountId, type DeliveryId, type EventId, MINUTE_MS } from "@posthaste/domain";
import { type ExpressionBuilder, sql } from "kysely";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
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
 * URL also looks at the deliveries of the subscriptions that have moved there. Of those that have ended since
 * (`acceptedBeforeEnd`), only deliveries that the URL itself accepted count.
 */

/**
 * How far the clocks of two processes may differ. A subscription whose `updated_at` is further before an
 * event had its URL when the event's first deliveries were created.
 */
export const CLOCKS_DIFFER_MS = MINUTE_MS;

/**
 * Maximum ended subscriptions examined per URL, those first that ended first after the events. Integration
 * platforms may end thousands a day on one URL.
 */
const ENDED_PER_URL_MAX = 100;
/** Maximum subscriptions in a statement, and pairs of a subscription and an event that it looks up. */
const SUBSCRIPTIONS_AT_ONCE = 500;
const PAIRS_AT_ONCE = 10_000;

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
              .where(isAcceptedHere),
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

/**
 * Returns which of these events were accepted from subscriptions that have ended, by the URL that each had at
 * its end. A subscription may have moved there after its delivery was created, which holds another key. What
 * its previous URL accepted does not count. The caller has locked the events.
 *
 * @param of.eventIds several only with one URL, and the other way round: each is looked up with each
 * @param of.since when the first of the events was created: what ended before had none of them
 */
export async function acceptedBeforeEnd(
  store: Store,
  tx: Tx,
  of: {
    accountId: AccountId;
    eventIds: readonly EventId[];
    keys: readonly Buffer[];
    since: number;
  },
): Promise<Pick<KeyHolder, "eventId" | "key">[]> {
  const { accountId, eventIds, keys, since } = of;
  if (eventIds.length === 0 || keys.length === 0) return [];
  const ended = await tx
    .selectFrom(byIndex(store, "subscriptions", "subscriptions_ended_by_url"))
    .select(["id", "target_hash"])
    .where("account_id", "=", accountId)
    .where("target_hash", "in", keys)
    .where("ended_at", ">=", since - CLOCKS_DIFFER_MS)
    .orderBy("ended_at")
    .limit(ENDED_PER_URL_MAX * keys.length)
    .execute();
  const keyOf = new Map(ended.map((row) => [row.id, row.target_hash]));
  const atOnce = Math.min(SUBSCRIPTIONS_AT_ONCE, Math.ceil(PAIRS_AT_ONCE / eventIds.length));
  const accepted: Pick<KeyHolder, "eventId" | "key">[] = [];
  for (let from = 0; from < ended.length; from += atOnce) {
    const some = ended.slice(from, from + atOnce).map(({ id }) => id);
    const rows = await tx
      .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
      .innerJoin("subscriptions as s", "s.id", "deliveries.subscription_id")
      .select(["deliveries.event_id", "deliveries.subscription_id"])
      .where("deliveries.event_id", "in", eventIds)
      .where("deliveries.subscription_id", "in", some)
      .where(isAcceptedHere)
      .execute();
    for (const row of rows) {
      const key = keyOf.get(row.subscription_id);
      if (key !== undefined) accepted.push({ eventId: row.event_id, key });
    }
  }
  return accepted;
}

/**
 * The delivery was accepted, by the URL that its subscription has now. An attempt that was under way when it
 * was cancelled may have been accepted since. Without the attempt, which retention may have deleted, the URL
 * is the likely one, and so is one that differs from an attempt's without a hash in the query alone.
 */
function isAcceptedHere(eb: ExpressionBuilder<Tables & { s: Tables["subscriptions"] }, "deliveries" | "s">) {
  const accepted = eb
    .selectFrom("attempts")
    .select("attempts.number")
    .whereRef("attempts.delivery_id", "=", "deliveries.id")
    .where("attempts.outcome", "=", "accepted");
  const isHere = accepted.whereRef("attempts.target_hash", "=", "s.target_hash");
  const isElsewhere = accepted.where((attempt) =>
    attempt.or([
      attempt("attempts.target_hash", "!=", attempt.ref("s.target_hash")),
      attempt.and([attempt("attempts.target_hash", "is", null), attempt.not(isWithoutQuery)]),
    ]),
  );
  return eb.and([
    eb.or([eb("deliveries.state", "=", "succeeded"), eb("deliveries.last_outcome", "=", "accepted")]),
    eb.or([eb.exists(isHere), eb.not(eb.exists(isElsewhere))]),
  ]);
}

/** The attempt's URL, of which the query is not kept, is the subscription's. */
const isWithoutQuery = sql<boolean>`(
  substr(s.target_url, 1, length(attempts.target_url)) = attempts.target_url
  and substr(s.target_url, length(attempts.target_url) + 1, 1) in ('', '?')
)`;
