import {
  type AccountId,
  ALL_EVENT_TYPES,
  isOperational,
  type Refusal,
  type SubscriptionId,
  type SubscriptionState,
} from "@posthaste/domain";
import { sql } from "kysely";
import { isErased } from "../accounts/lock-account.ts";
import { byIndex } from "../database/by-index.ts";
import { Held } from "../database/contended.ts";
import { sharedInUnion } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { LIVE_STATES, type LiveSubscription, livePage, WALKED_COLUMNS } from "./live-subscriptions.ts";

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

/** A match, where a walk along the subscriptions finds it. */
export type WalkedMatch = Match & {
  /** The first subscription of the URL that wants the event. It is mostly the chosen one. */
  readonly metAt: SubscriptionId;
  /** Every subscription of the URL that wants the event, with the chosen one, and when each was changed. */
  readonly sharing: readonly { readonly id: SubscriptionId; readonly updatedAt: number }[];
};

/** The event to match. */
export type Matched = { readonly accountId: AccountId; readonly eventType: string };

/** An event that is about to be stored. */
export type MatchedToStore = Matched & {
  /** The transaction holds a live subscription of the account, without whose end it is not erased. */
  readonly holdsSubscription: boolean;
};

/** Comes before every subscription. */
export const FIRST_SUBSCRIPTION = 0 as SubscriptionId;

/** Maximum subscriptions examined in one step of a walk: four statements of a few milliseconds. */
const EXAMINED_AT_ONCE = 500;

/**
 * Finds the subscriptions that get an event now, in the order of a walk (see {@link walkSubscriptions}). One
 * event reaches one URL of an account once. Of several subscriptions with the same URL, an active one comes
 * before a paused or disabled one, and then the oldest.
 *
 * Up to `limit` matches, one index gives exactly the subscriptions that want the event, and they are sorted
 * here. Beyond that, sorting all matches to take the first would cost more the more there are. Instead the
 * account's subscriptions are walked, and each is checked for the event type.
 *
 * The same statement looks whether the account may store anything, and locks that until the end of the
 * transaction: the receipt of an erasure says that the account's data is gone, and a call that was
 * authenticated before must not store an event after it. A statement of its own would cost every call a round
 * trip.
 *
 * @returns all matches, or at least the first `limit`
 * @throws Refusal `unauthenticated` if the account's erasure has been requested
 * @throws Held if another transaction is changing the account
 */
export async function matchSubscriptions(
  store: Store,
  tx: Tx,
  event: MatchedToStore,
  limit: number,
): Promise<WalkedMatch[]> {
  const few = await matchFew(store, tx, event, limit);
  if (few !== undefined) return few;
  const matches: WalkedMatch[] = [];
  // A URL is met again at its other subscriptions.
  const met = new Set<string>();
  let after: SubscriptionId | undefined = FIRST_SUBSCRIPTION;
  while (after !== undefined && matches.length < limit) {
    const step: WalkStep = await walkSubscriptions(store, tx, event, { after, asOf: "now" });
    for (const match of step.matches) {
      const names = [String(match.subscriptionId), match.targetHash.toString("hex")];
      if (!names.some((name) => met.has(name))) matches.push(match);
      for (const name of names) met.add(name);
    }
    after = step.next;
  }
  return matches;
}

/**
 * Does the first statement of {@link matchSubscriptions}, and no walk.
 *
 * @returns all matches; undefined: `limit` subscriptions or more want the event
 * @throws Refusal `unauthenticated` if the account's erasure has been requested
 * @throws Held if another transaction is changing the account
 */
export async function matchFew(
  store: Store,
  tx: Tx,
  event: MatchedToStore,
  limit: number,
): Promise<WalkedMatch[] | undefined> {
  const found = await firstWanting(store, tx, event, limit);
  const rows = found.filter((row) => row.id !== NO_SUBSCRIPTION);
  if (!event.holdsSubscription && rows.length === found.length) throw await whyNot(tx, event.accountId);
  return rows.length < limit ? matchesIn(rows) : undefined;
}

/** Stands for the account in the result of {@link firstWanting}. */
const NO_SUBSCRIPTION = 0 as SubscriptionId;

/**
 * Returns up to `limit` subscriptions that want the event and, unless the transaction holds a subscription,
 * one row more: {@link NO_SUBSCRIPTION}, if the account may store events.
 */
async function firstWanting(store: Store, tx: Tx, event: MatchedToStore, limit: number): Promise<Row[]> {
  const wanting = tx
    .selectFrom("subscription_event_types as t")
    .innerJoin("subscriptions as s", "s.id", "t.subscription_id")
    .select(["s.id", "s.state", "s.draining", "s.target_hash", "s.updated_at"])
    .where("t.account_id", "=", event.accountId)
    .where("t.event_type", "in", wantedAs(event.eventType))
    .where("t.removed_at", "is", null)
    .where("s.state", "!=", "ended")
    .limit(limit);
  if (event.holdsSubscription) return await wanting.execute();
  return await tx
    .selectFrom(wanting.as("wanting"))
    .select(["id", "state", "draining", "target_hash", "updated_at"])
    .unionAll((eb) =>
      sharedInUnion(
        store,
        eb,
        eb
          .selectFrom("accounts")
          .select([
            sql.lit(NO_SUBSCRIPTION).as("id"),
            sql.lit<SubscriptionState>("ended").as("state"),
            sql.lit(0).as("draining"),
            sql<Buffer>`''`.as("target_hash"),
            sql.lit(0).as("updated_at"),
          ])
          .where("id", "=", event.accountId)
          .where("erased_at", "is", null),
      ),
    )
    .execute();
}

/** Returns why {@link firstWanting} did not return the account. */
async function whyNot(tx: Tx, accountId: AccountId): Promise<Refusal | Held> {
  const account = await tx
    .selectFrom("accounts")
    .select("erased_at")
    .where("id", "=", accountId)
    .executeTakeFirst();
  return account?.erased_at === null
    ? new Held(`another transaction holds account ${accountId}`)
    : isErased(accountId);
}

type WalkStep = {
  readonly matches: WalkedMatch[];
  /** Where the next step starts; undefined: this was the last. */
  readonly next: SubscriptionId | undefined;
};

/**
 * Takes one step along an account's live subscriptions, in the order of their ids. An id never changes,
 * unlike a URL, so a walk that takes a while meets each subscription once.
 *
 * At the first subscription of a URL that wants the event, one of all its subscriptions is chosen, wherever
 * along the walk the others are. At those, the URL is met again: the caller leaves out what it has served.
 *
 * @param from.asOf a moment in the past: leaves out event types that were subscribed to later, and keeps
 *   those that were unsubscribed later (but no subscription that has ended)
 * @param from.limit subscriptions examined; default and maximum: {@link EXAMINED_AT_ONCE}
 */
export async function walkSubscriptions(
  store: Store,
  tx: Tx,
  event: Matched,
  from: { after: SubscriptionId; asOf: AsOf; limit?: number },
): Promise<WalkStep> {
  const limit = Math.min(from.limit ?? EXAMINED_AT_ONCE, EXAMINED_AT_ONCE);
  const where = { accountId: event.accountId, after: from.after, limit };
  const page = await livePage(store, tx, where);
  const wanting = await wantingOf(tx, event, from.asOf, page);
  const next = page.length < limit ? undefined : page.at(-1)?.id;
  if (wanting.length === 0) return { matches: [], next };
  const ofTheirUrls = await tx
    .selectFrom(byIndex(store, "subscriptions", "subscriptions_by_url"))
    .select(WALKED_COLUMNS)
    .where("account_id", "=", event.accountId)
    .where(
      "target_hash",
      "in",
      wanting.map((row) => row.target_hash),
    )
    // No two live ones share an event type, so they are few; any number may have ended.
    .where("state", "in", LIVE_STATES)
    .execute();
  const known = new Set(page.map((row) => row.id));
  const others = ofTheirUrls.filter((row) => !known.has(row.id));
  const rows = [...wanting, ...(await wantingOf(tx, event, from.asOf, others))];
  const isHere = new Set(wanting.map((row) => row.id));
  return {
    // A URL whose first subscription is on another page is met here at its first one on this page.
    matches: matchesIn(rows, (row) => isHere.has(row.id)),
    next,
  };
}

/** A moment in the past, or the present. */
type AsOf = { readonly row: number; readonly at: number } | "now";

/** Returns which of these subscriptions have not ended and want the event. */
async function wantingOf(
  tx: Tx,
  { eventType }: Matched,
  asOf: AsOf,
  examined: readonly Row[],
): Promise<Row[]> {
  const live = examined.filter((row) => row.state !== "ended");
  if (live.length === 0) return [];
  const query = tx
    .selectFrom("subscription_event_types")
    .select("subscription_id")
    .where(
      "subscription_id",
      "in",
      live.map((row) => row.id),
    )
    .where("event_type", "in", wantedAs(eventType));
  const wanting = await (asOf === "now"
    ? query.where("removed_at", "is", null)
    : query
        .where("id", "<=", asOf.row)
        .where((eb) => eb.or([eb("removed_at", "is", null), eb("removed_at", ">", asOf.at)]))
  ).execute();
  const ids = new Set(wanting.map((row) => row.subscription_id));
  return live.filter((row) => ids.has(row.id));
}

type Row = LiveSubscription;

/**
 * Chooses one subscription for each URL, in the order in which a walk meets the URLs.
 *
 * @param meets whether the walk meets the URL at this subscription. Default: at all of them
 */
function matchesIn(rows: readonly Row[], meets: (row: Row) => boolean = () => true): WalkedMatch[] {
  const byUrl = new Map<string, Row[]>();
  for (const row of [...rows].sort((a, b) => a.id - b.id)) {
    const url = row.target_hash.toString("hex");
    const sharing = byUrl.get(url);
    if (sharing === undefined) byUrl.set(url, [row]);
    else sharing.push(row);
  }
  const matches = [...byUrl.values()].flatMap((sharing): WalkedMatch[] => {
    const first = sharing.find(meets);
    const chosen = sharing.find((row) => row.state === "active") ?? sharing[0];
    if (first === undefined || chosen === undefined) return [];
    return [
      {
        subscriptionId: chosen.id,
        parks: parks(chosen),
        targetHash: chosen.target_hash,
        metAt: first.id,
        sharing: sharing.map((row) => ({ id: row.id, updatedAt: row.updated_at })),
      },
    ];
  });
  return matches.sort((a, b) => a.metAt - b.metAt);
}

/** Returns whether a new delivery of this subscription is parked. */
export function parks(row: { readonly state: SubscriptionState; readonly draining: number }): boolean {
  return row.state !== "active" || row.draining === 1;
}

function wantedAs(eventType: string): string[] {
  return isOperational(eventType) ? [eventType] : [eventType, ALL_EVENT_TYPES];
}
