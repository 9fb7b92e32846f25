import {
  type Acceptance,
  type AccountId,
  ALL_EVENT_TYPES,
  type Rate,
  type SubscriptionId,
  type SubscriptionState,
} from "@posthaste/domain";
import { sql } from "kysely";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { livePage } from "./live-subscriptions.ts";
import { visibleOptions } from "./subscription-options.ts";

/**
 * Subscriptions that one statement reads. Each has at most 64 event types, so a statement reads at most 2,048
 * rows of them. SQLite reads them within a turn of the event loop, and others have their turn between two
 * statements.
 */
const SUBSCRIPTIONS_AT_ONCE = 32;

/** A target URL and the event types it wants. Its secrets stay in the store until an attempt needs them. */
export type Subscription = {
  readonly id: SubscriptionId;
  readonly accountId: AccountId;
  readonly targetUrl: string;
  /** In alphabetical order. */
  readonly eventTypes: readonly string[];
  readonly state: SubscriptionState;
  readonly acceptance: Acceptance;
  /** Null: the default. */
  readonly timeoutMs: number | null;
  /** For people; empty: none. */
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Null: unlimited. */
  readonly rate: Rate | null;
  /** Null: the default. */
  readonly concurrency: number | null;
  /** Names of the owner's own headers, in alphabetical order. */
  readonly headerNames: readonly string[];
  /** Whether the receiver's credential is set. */
  readonly hasCredential: boolean;
  /** Names its public keys for callers without a token. */
  readonly keySet: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | null;
  /** For people; null: it has not ended. */
  readonly endedReason: string | null;
  /** Its parked deliveries are being drained, and new ones are parked behind them. */
  readonly isDraining: boolean;
  /** The first failure since its last success, also if it was resumed since; null: it is not failing. */
  readonly failingSince: number | null;
  /** Some of its deliveries have failed and wait for a retry, or make it. */
  readonly isRetrying: boolean;
};

/** Returns a subscription, even an ended one; undefined: not found. */
export async function getSubscription(
  store: Store,
  { accountId, id }: { accountId: AccountId; id: SubscriptionId },
): Promise<Subscription | undefined> {
  return await readSubscription(store, store.db, accountId, id);
}

/** Returns an account's subscriptions after `after`, oldest first; those that have ended only if wanted. */
export async function listSubscriptions(
  store: Store,
  input: {
    accountId: AccountId;
    after?: SubscriptionId;
    limit: number;
    /** Only failing subscriptions. */
    failing?: boolean;
    /** Only subscriptions that want this event type, or did when they ended. */
    eventType?: string;
    /** Default: false. */
    includeEnded?: boolean;
  },
): Promise<Subscription[]> {
  const { accountId, after = 0 as SubscriptionId, limit, failing = false, eventType } = input;
  const { includeEnded = false } = input;
  const wanting = eventType === undefined ? {} : { wanting: [eventType, ALL_EVENT_TYPES] };
  const listed: Subscription[] = [];
  for (let from = after; ; ) {
    const page = { accountId, after: from, limit: limit - listed.length, failing, includeEnded, ...wanting };
    const ids = (await livePage(store, store.db, page)).map(({ id }) => id);
    const read = await readSubscriptions(store, store.db, ids);
    listed.push(...read.filter(({ state }) => includeEnded || state !== "ended"));
    const last = ids.at(-1);
    // Some may have ended since. Others take their places: a list that is shorter than asked has no more.
    if (last === undefined || ids.length < page.limit || listed.length === limit) return listed;
    from = last;
  }
}

/** Reads one subscription, also within a transaction; undefined: the account has none with this id. */
export async function readSubscription(
  store: Store,
  db: Pick<Tx, "selectFrom">,
  accountId: AccountId,
  id: SubscriptionId,
): Promise<Subscription | undefined> {
  const [found] = await readSubscriptions(store, db, [id]);
  return found?.accountId === accountId ? found : undefined;
}

/**
 * Reads subscriptions of whichever account, in the order of their ids; leaves out those that do not exist.
 * Each comes with its event types by the same statement: between two, it could end or change, and be shown as
 * it never was.
 */
export async function readSubscriptions(
  store: Store,
  db: Pick<Tx, "selectFrom">,
  ids: readonly SubscriptionId[],
): Promise<Subscription[]> {
  const found: Subscription[] = [];
  for (let i = 0; i < ids.length; i += SUBSCRIPTIONS_AT_ONCE) {
    const rows = await readRows(store, db, ids.slice(i, i + SUBSCRIPTIONS_AT_ONCE));
    found.push(...rows.map(subscriptionOf));
  }
  return found;
}

/** An ended subscription has the event types that it had when it ended, until retention deletes them. */
async function readRows(store: Store, db: Pick<Tx, "selectFrom">, ids: readonly SubscriptionId[]) {
  const { seam } = store;
  return await db
    .selectFrom("subscriptions")
    .selectAll()
    .select((subscription) =>
      subscription
        .selectFrom("subscription_event_types as t")
        .select(seam.jsonArrayOf(sql.ref("t.event_type")).as("types"))
        .whereRef("t.subscription_id", "=", "subscriptions.id")
        .where((t) =>
          t.or([t("t.removed_at", "is", null), t("t.removed_at", "=", t.ref("subscriptions.ended_at"))]),
        )
        .as("event_types"),
    )
    .select((subscription) =>
      subscription
        .exists(
          // Started deliveries without an attempt are under way, so there are few before the first one.
          subscription
            .selectFrom(byIndex(store, "deliveries", "deliveries_by_state_and_account"))
            .select("deliveries.id")
            .where("deliveries.state", "=", "started")
            .whereRef("deliveries.account_id", "=", "subscriptions.account_id")
            .whereRef("deliveries.subscription_id", "=", "subscriptions.id")
            .where("deliveries.attempts", ">", 0),
        )
        .as("is_retrying"),
    )
    .where("id", "in", ids)
    .orderBy("id")
    .execute();
}

function subscriptionOf(row: Awaited<ReturnType<typeof readRows>>[number]): Subscription {
  const eventTypes = JSON.parse(row.event_types ?? "[]") as string[];
  return {
    id: row.id,
    accountId: row.account_id,
    targetUrl: row.target_url,
    // One that was removed and chosen again, and then ended, is there twice if all that was at once.
    eventTypes: [...new Set(eventTypes)].sort(),
    state: row.state,
    ...visibleOptions(row),
    keySet: row.key_set,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    endedAt: row.ended_at,
    endedReason: row.ended_reason,
    isDraining: row.draining === 1,
    failingSince: row.failing_since,
    isRetrying: Number(row.is_retrying) === 1,
  };
}
