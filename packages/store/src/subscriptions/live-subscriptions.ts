import {
  type AccountId,
  SUBSCRIPTION_STATES,
  type SubscriptionId,
  type SubscriptionState,
} from "@posthaste/domain";
import type { Selectable, SelectQueryBuilder } from "kysely";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";

/** The states of a subscription that has not ended. */
export const LIVE_STATES = SUBSCRIPTION_STATES.filter((state) => state !== "ended");

/**
 * Returns a query for the ids of an account's live subscriptions, in no particular order. It reads none that
 * has ended: those are never deleted, and an account may have any number of them.
 */
export function liveSubscriptionIds(store: Store, tx: Tx, accountId: AccountId) {
  return idsInEachState((state) =>
    tx
      .selectFrom(byIndex(store, "subscriptions", "subscriptions_by_state"))
      .select("id")
      .where("account_id", "=", accountId)
      .where("state", "=", state),
  );
}

/**
 * Returns a query for the ids of the live subscriptions on a URL. No two of them share an event type, so
 * there are at most as many as the account has event types.
 *
 * @param url.changedSince only those that were changed at this time or later. Default: all
 */
export function liveOnUrl(
  store: Store,
  db: Pick<Tx, "selectFrom">,
  {
    accountId,
    targetHash,
    changedSince = 0,
  }: { accountId: AccountId; targetHash: Buffer; changedSince?: number },
) {
  return idsInEachState((state) =>
    db
      .selectFrom(byIndex(store, "subscriptions", "subscriptions_by_url"))
      .select("id")
      .where("account_id", "=", accountId)
      .where("target_hash", "=", targetHash)
      .where("state", "=", state)
      .where("updated_at", ">=", changedSince),
  );
}

/**
 * Asks for one live state after another, in one statement. For several states at once, MySQL may read the
 * subscriptions in all states.
 */
export function idsInEachState<
  Query extends SelectQueryBuilder<Tables, "subscriptions", { id: SubscriptionId }>,
>(inState: (state: SubscriptionState) => Query) {
  const [first, ...others] = LIVE_STATES.map(inState);
  if (first === undefined) throw new Error("a subscription has no live state");
  return others.reduce<SelectQueryBuilder<Tables, "subscriptions", { id: SubscriptionId }>>(
    (union, other) => union.unionAll(other),
    first,
  );
}

/** Which subscriptions of an account a page holds. */
export type LivePage = {
  readonly accountId: AccountId;
  /** The page begins after this subscription. */
  readonly after: SubscriptionId;
  readonly limit: number;
  /** Only failing subscriptions. Default: all. */
  readonly failing?: boolean;
  /** Only subscriptions with one of these event types. Default: all. */
  readonly wanting?: readonly string[];
  /** Also those that have ended, with the event types that they had then. Default: only live ones. */
  readonly includeEnded?: boolean;
};

/**
 * Reads an account's live subscriptions in the order of their ids. Like {@link liveSubscriptionIds}, it
 * reads none that has ended, unless they are wanted. The index gives the subscriptions of each state in this
 * order, so a page is the first of the first of each.
 *
 * It is one statement: between two, a subscription that changes its state could be missed in both.
 */
export async function livePage(
  store: Store,
  db: Pick<Tx, "selectFrom">,
  page: LivePage,
): Promise<LiveSubscription[]> {
  // Each is a table of its own, since a part of a union can have no order and limit.
  const states = page.includeEnded === true ? SUBSCRIPTION_STATES : LIVE_STATES;
  const [first, ...others] = states.map((state) =>
    db.selectFrom(firstIn(store, db, page, state).as("first")).selectAll(),
  );
  if (first === undefined) return [];
  const rows = await others.reduce((union, other) => union.unionAll(other), first).execute();
  // The database would write them to another table to sort them.
  return rows.sort((a, b) => a.id - b.id).slice(0, page.limit);
}

/** What a walk along subscriptions needs to know of each. */
export const WALKED_COLUMNS = ["id", "state", "draining", "target_hash", "updated_at"] as const;

export type LiveSubscription = Pick<Selectable<Tables["subscriptions"]>, (typeof WALKED_COLUMNS)[number]>;

function firstIn(
  store: Store,
  db: Pick<Tx, "selectFrom">,
  { accountId, after, limit, failing = false, wanting }: LivePage,
  state: SubscriptionState,
) {
  let query = db
    .selectFrom(byIndex(store, "subscriptions", "subscriptions_by_state"))
    .select(WALKED_COLUMNS)
    .where("account_id", "=", accountId)
    .where("state", "=", state)
    .where("id", ">", after)
    .orderBy("id")
    .limit(limit);
  if (failing) query = query.where("failing_since", "is not", null);
  if (wanting === undefined) return query;
  return query.where("id", "in", (eb) => {
    const wanted = eb
      .selectFrom("subscription_event_types as t")
      .select("t.subscription_id")
      .where("t.account_id", "=", accountId)
      .where("t.event_type", "in", wanting);
    return state === "ended"
      ? wanted.whereRef("t.removed_at", "=", "subscriptions.ended_at")
      : wanted.where("t.removed_at", "is", null);
  });
}
