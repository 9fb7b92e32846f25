import type { EventId, LeftOutReason, SubscriptionId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";
import { acceptedBeforeEnd, CLOCKS_DIFFER_MS } from "../deliveries/url-keys.ts";
import { liveOnUrl } from "../subscriptions/live-subscriptions.ts";

/* What a replay must not send again, because its URL has it. */

type Subscription = Selectable<Tables["subscriptions"]>;

/**
 * Live subscriptions on a URL that a step looks up. No two have an event type in common, so that accounts
 * with more have a type for each.
 */
const OTHERS_MAX = 1_000;
/**
 * Pairs of a subscription and an event that a step looks up, about 1 µs each. On SQLite, the process does
 * nothing else meanwhile. With up to forty subscriptions, a step has all its events.
 */
export const PAIRS_PER_STEP = 20_000;
/** Pairs, and subscriptions, in a statement. */
const PAIRS_AT_ONCE = 10_000;
const SUBSCRIPTIONS_AT_ONCE = 500;

/**
 * Returns which live subscriptions may have served this one's URL since an event: this one, and others that
 * have its URL now and may have had another one, at most {@link OTHERS_MAX}. The rest had this URL before,
 * whose key tells (`url-keys.ts`).
 *
 * @param sinceAt when the event was created; infinite: there is none
 */
export async function receiversOn(
  store: Store,
  tx: Tx,
  subscription: Subscription,
  sinceAt: number,
): Promise<SubscriptionId[]> {
  if (sinceAt === Number.POSITIVE_INFINITY) return [subscription.id];
  const rows = await liveOnUrl(store, tx, {
    accountId: subscription.account_id,
    targetHash: subscription.target_hash,
    changedSince: sinceAt - CLOCKS_DIFFER_MS,
  })
    .limit(OTHERS_MAX)
    .execute();
  return [subscription.id, ...rows.map((row) => row.id).filter((id) => id !== subscription.id)];
}

/**
 * Returns, with the reason, which of these events were tests, or have a delivery to one of the receivers, or
 * were accepted from a subscription on the URL that has ended. What has failed is for a recovery to send
 * again, unless its subscription has ended.
 *
 * @param to.receivers see {@link receiversOn}
 * @param to.since when the first of the events was created
 */
export async function deliveredTo(
  store: Store,
  tx: Tx,
  ids: readonly EventId[],
  to: {
    readonly subscription: Subscription;
    readonly receivers: readonly SubscriptionId[];
    readonly since: number;
  },
): Promise<Map<string, LeftOutReason>> {
  const delivered = new Map<string, LeftOutReason>();
  if (ids.length === 0) return delivered;
  const { subscription, receivers, since } = to;
  const atOnce = Math.min(SUBSCRIPTIONS_AT_ONCE, Math.ceil(PAIRS_AT_ONCE / ids.length));
  for (let from = 0; from < receivers.length; from += atOnce) {
    const rows = await tx
      .selectFrom(byIndex(store, "deliveries", "deliveries_by_event"))
      .select("event_id")
      .where("event_id", "in", ids)
      .where("subscription_id", "in", receivers.slice(from, from + atOnce))
      .execute();
    for (const row of rows) delivered.set(row.event_id, "already_sent");
  }
  const [accountId, keys] = [subscription.account_id, [subscription.target_hash]];
  const accepted = await acceptedBeforeEnd(store, tx, { accountId, eventIds: ids, keys, since });
  for (const { eventId } of accepted) delivered.set(eventId, "already_sent");
  for (const id of await testsAmong(tx, ids)) delivered.set(id, "test");
  return delivered;
}

/**
 * Returns which of these events were tests. An event may have thousands of deliveries, of which this reads
 * one: if one is a test, all are.
 */
async function testsAmong(tx: Tx, ids: readonly EventId[]): Promise<EventId[]> {
  const rows = await tx
    .selectFrom("events as e")
    .select("e.id")
    .where("e.id", "in", ids)
    .where(
      (eb) =>
        eb
          .selectFrom("deliveries as first")
          .select("first.test")
          .whereRef("first.event_id", "=", "e.id")
          .limit(1),
      "=",
      1,
    )
    .execute();
  return rows.map((row) => row.id);
}
