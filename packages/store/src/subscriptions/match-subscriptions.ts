import {
  type AccountId,
  ALL_EVENT_TYPES,
  isOperational,
  type SubscriptionId,
  type SubscriptionState,
} from "@posthaste/domain";
import type { Tx } from "../database/transact.ts";

/** The subscription that gets an event: the one chosen for its URL. */
export type Match = {
  readonly subscriptionId: SubscriptionId;
  /**
   * New deliveries are parked: the subscription is paused or disabled, or its earlier deliveries are being
   * drained.
   */
  readonly parks: boolean;
  readonly targetHash: Buffer;
};

/** The event to match. */
export type Matched = { readonly accountId: AccountId; readonly eventType: string };

/** Sorts before every hash. */
export const FIRST_HASH: Buffer = Buffer.alloc(0);

/** Subscriptions examined in one step of a walk: each step is a statement of a few milliseconds. */
const EXAMINED_AT_ONCE = 500;

/**
 * Finds the subscriptions that get an event now, in the order of their URLs' hashes. One event reaches one
 * URL of an account once. Of several subscriptions with the same URL, an active one comes before a paused or
 * disabled one, and then the oldest.
 *
 * Up to `limit` matches, one index gives exactly the subscriptions that want the event, and they are sorted
 * here. Beyond that, sorting all matches to take the first would cost more the more there are. Instead the
 * account's subscriptions are walked in the order of another index, and each is checked for the event type.
 *
 * @returns all matches, or at least the first `limit`
 */
export async function matchSubscriptions(tx: Tx, event: Matched, limit: number): Promise<Match[]> {
  const rows = await tx
    .selectFrom("subscription_event_types as t")
    .innerJoin("subscriptions as s", "s.id", "t.subscription_id")
    .select(["s.id", "s.state", "s.draining", "s.target_hash"])
    .where("t.account_id", "=", event.accountId)
    .where("t.event_type", "in", wantedAs(event.eventType))
    .where("t.removed_at", "is", null)
    .where("s.state", "!=", "ended")
    .limit(limit)
    .execute();
  if (rows.length < limit) return matchesIn(rows);
  const found: Match[] = [];
  for (let after: Buffer | undefined = FIRST_HASH; after !== undefined && found.length < limit; ) {
    const step: WalkStep = await walkSubscriptions(tx, event, { after, asOf: "now" });
    found.push(...step.matches);
    after = step.next;
  }
  return found;
}

type WalkStep = {
  readonly matches: Match[];
  /** Where the next step starts; undefined: this was the last. */
  readonly next: Buffer | undefined;
};

/**
 * Takes one step along an account's subscriptions, in the order of their URLs' hashes.
 *
 * @param from.asOf a moment in the past: leaves out event types that were subscribed to later, and keeps
 *   those that were unsubscribed later (but no subscription that has ended)
 * @param from.limit subscriptions examined; default: {@link EXAMINED_AT_ONCE}
 */
export async function walkSubscriptions(
  tx: Tx,
  { accountId, eventType }: Matched,
  from: { after: Buffer; asOf: { row: number; at: number } | "now"; limit?: number },
): Promise<WalkStep> {
  const { after, asOf, limit = EXAMINED_AT_ONCE } = from;
  const subscriptions = tx
    .selectFrom("subscriptions")
    .select(["id", "state", "draining", "target_hash"])
    .where("account_id", "=", accountId);
  const page = await subscriptions
    .where("target_hash", ">", after)
    .orderBy("target_hash")
    .limit(limit)
    .execute();
  const last = page.at(-1);
  if (last === undefined) return { matches: [], next: undefined };
  // All live subscriptions of the last URL belong to this step, because one of them is chosen. No two of them
  // share an event type, so they are few; any number may have ended.
  const ofLast = await subscriptions
    .where("target_hash", "=", last.target_hash)
    .where("state", "!=", "ended")
    .execute();
  const examined = [...page.filter((row) => !row.target_hash.equals(last.target_hash)), ...ofLast];

  const query = tx
    .selectFrom("subscription_event_types")
    .select("subscription_id")
    .where(
      "subscription_id",
      "in",
      examined.map((row) => row.id),
    )
    .where("event_type", "in", wantedAs(eventType));
  const wanting = await (asOf === "now"
    ? query.where("removed_at", "is", null)
    : query
        .where("id", "<=", asOf.row)
        .where((eb) => eb.or([eb("removed_at", "is", null), eb("removed_at", ">", asOf.at)]))
  ).execute();
  const ids = new Set(wanting.map((row) => row.subscription_id));
  return {
    matches: matchesIn(examined.filter((row) => row.state !== "ended" && ids.has(row.id))),
    next: page.length < limit ? undefined : last.target_hash,
  };
}

type Row = { id: SubscriptionId; state: SubscriptionState; draining: number; target_hash: Buffer };

/** Chooses one subscription for each URL, in order. */
function matchesIn(rows: readonly Row[]): Match[] {
  const rank = (row: Row) => (row.state === "active" ? 0 : 1);
  const sorted = [...rows].sort(
    (a, b) => a.target_hash.compare(b.target_hash) || rank(a) - rank(b) || a.id - b.id,
  );
  const matches: Match[] = [];
  for (const row of sorted) {
    if (matches.at(-1)?.targetHash.equals(row.target_hash)) continue;
    matches.push({
      subscriptionId: row.id,
      parks: parks(row),
      targetHash: row.target_hash,
    });
  }
  return matches;
}

/** Returns whether a new delivery of this subscription is parked. */
export function parks(row: { readonly state: SubscriptionState; readonly draining: number }): boolean {
  return row.state !== "active" || row.draining === 1;
}

function wantedAs(eventType: string): string[] {
  return isOperational(eventType) ? [eventType] : [eventType, ALL_EVENT_TYPES];
}
