import type { AccountId, DeliveryState } from "@posthaste/domain";
import type { AliasedExpression } from "kysely";
import { decodeTime } from "ulid";
import { type Account, accountOf } from "../accounts/accounts.ts";
import { byIndex } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import { LIVE_STATES } from "../subscriptions/live-subscriptions.ts";

/** An account with what waits, fails and may be used in it. Each count stops at {@link COUNTED_MAX}. */
export type AccountState = {
  readonly account: Account;
  readonly subscriptions: number;
  readonly failing: number;
  /** Since when the longest failing one is failing; null: none is. */
  readonly failingSince: number | null;
  readonly pending: number;
  readonly started: number;
  readonly parked: number;
  readonly oldestPendingAt: number | null;
  readonly tokens: number;
  readonly portalSessions: number;
  readonly portalLinks: number;
  readonly recoveries: number;
};

/** Counting reads an index entry each, for every account of a page. */
const COUNTED_MAX = 1_000;
/** The newest tokens among which those that are valid are counted: a portal makes one for each session. */
const TOKENS_EXAMINED = 2_000;
const DELIVERY_PREFIX = "dlv_";

/** Lists accounts that are not erased after `after`, in the order of their ids. */
export async function listAccountStates(
  store: Store,
  { after = 0 as AccountId, limit, now }: { after?: AccountId; limit: number; now: number },
): Promise<AccountState[]> {
  const rows = await store.db
    .selectFrom("accounts")
    .selectAll()
    .where("id", ">", after)
    .where("erased_at", "is", null)
    .orderBy("id")
    .limit(limit)
    .execute();
  const states: AccountState[] = [];
  for (const row of rows) states.push(await stateOf(store, accountOf(row), now));
  return states;
}

/** Returns an account's state; undefined: there is no such account, or it is erased. */
export async function getAccountState(
  store: Store,
  { id, now }: { id: AccountId; now: number },
): Promise<AccountState | undefined> {
  const row = await store.db
    .selectFrom("accounts")
    .selectAll()
    .where("id", "=", id)
    .where("erased_at", "is", null)
    .executeTakeFirst();
  return row && (await stateOf(store, accountOf(row), now));
}

async function stateOf(store: Store, account: Account, now: number): Promise<AccountState> {
  const { id: accountId } = account;
  return {
    account,
    ...(await subscriptionsOf(store, accountId)),
    ...(await deliveriesOf(store, accountId)),
    ...(await accessTo(store, accountId, now)),
    recoveries: await recoveriesOf(store, accountId),
  };
}

async function subscriptionsOf(store: Store, accountId: AccountId) {
  const inLive = (index: "subscriptions_by_state" | "subscriptions_failing_by_account") =>
    store.db
      .selectFrom(byIndex(store, "subscriptions", index))
      .select("id")
      .where("account_id", "=", accountId)
      .where("state", "in", LIVE_STATES);
  const failing = inLive("subscriptions_failing_by_account").where("failing_since", "is not", null);
  const firsts: number[] = [];
  for (const state of LIVE_STATES) {
    const first = await failing
      .clearSelect()
      .select("failing_since")
      .where("state", "=", state)
      .orderBy("failing_since")
      .limit(1)
      .executeTakeFirst();
    if (first?.failing_since != null) firsts.push(first.failing_since);
  }
  return {
    subscriptions: await countOf(store, inLive("subscriptions_by_state")),
    failing: await countOf(store, failing),
    failingSince: firsts.length === 0 ? null : Math.min(...firsts),
  };
}

async function deliveriesOf(store: Store, accountId: AccountId) {
  const inState = (state: DeliveryState) =>
    store.db
      .selectFrom(byIndex(store, "deliveries", "deliveries_by_account_state"))
      .select("id")
      .where("account_id", "=", accountId)
      .where("state", "=", state);
  const oldest = await inState("pending").orderBy("id").limit(1).executeTakeFirst();
  return {
    pending: await countOf(store, inState("pending")),
    started: await countOf(store, inState("started")),
    parked: await countOf(store, inState("parked")),
    // Ids begin with the time of their creation.
    oldestPendingAt:
      oldest === undefined ? null : decodeTime(oldest.id.slice(DELIVERY_PREFIX.length).toUpperCase()),
  };
}

async function accessTo({ db }: Store, accountId: AccountId, now: number) {
  const newest = db
    .selectFrom("tokens")
    .select(["session", "expires_at", "revoked_at"])
    .where("account_id", "=", accountId)
    .orderBy("id", "desc")
    .limit(TOKENS_EXAMINED);
  const valid = await db
    .selectFrom(newest.as("newest"))
    .select((eb) => ["session", eb.fn.countAll().as("counted")])
    .where("revoked_at", "is", null)
    .where((eb) => eb.or([eb("expires_at", "is", null), eb("expires_at", ">", now)]))
    .groupBy("session")
    .execute();
  const counted = (session: number) =>
    Math.min(COUNTED_MAX, Number(valid.find((row) => row.session === session)?.counted ?? 0));
  const links = db
    .selectFrom("portal_links")
    .select("id")
    .where("account_id", "=", accountId)
    .where("expires_at", ">", now);
  return { tokens: counted(0), portalSessions: counted(1), portalLinks: await countOf({ db }, links) };
}

async function recoveriesOf(store: Store, accountId: AccountId): Promise<number> {
  return await countOf(
    store,
    store.db
      .selectFrom(byIndex(store, "recoveries", "recoveries_unstarted"))
      .select("id")
      .where("state", "in", ["running", "paused"])
      .where("account_id", "=", accountId),
  );
}

/** A query of some rows; only their number matters. */
type Rows = {
  limit(max: number): { as(alias: "some"): AliasedExpression<{ readonly id: unknown }, "some"> };
};

/** Counts the rows of a query, up to {@link COUNTED_MAX}. */
async function countOf({ db }: Pick<Store, "db">, rows: Rows): Promise<number> {
  const { counted } = await db
    .selectFrom(rows.limit(COUNTED_MAX).as("some"))
    .select((eb) => eb.fn.countAll().as("counted"))
    .executeTakeFirstOrThrow();
  return Number(counted);
}
