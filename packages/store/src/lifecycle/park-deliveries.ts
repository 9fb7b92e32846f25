import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { isTerminal } from "@posthaste/domain";
import { type Selectable, sql } from "kysely";
import { LRUCache } from "lru-cache";
import { enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { inState } from "../database/by-index.ts";
import { type ListByAccount, listByAccount, type PageByAccount } from "../database/list-by-account.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { isNextAttempt, lockDeliveries, lockDelivery, moveAll } from "../deliveries/move.ts";
import { inLine } from "../subscriptions/in-line.ts";
import { listMarked } from "../subscriptions/list-marked.ts";
import { hasEnded, lockSubscription } from "../subscriptions/lock-subscription.ts";
import { getSubscription, type Subscription } from "../subscriptions/read-subscriptions.ts";

/** Maximum deliveries moved in one transaction, so that a large backlog does not hold locks for long. */
const MOVED_AT_ONCE = 500;
/** Transactions that the caller of a pause waits for: 5,000 deliveries, in about a second. */
const STEPS_IN_CALL = 10;
/**
 * How many pending deliveries a drain keeps ahead of the dispatcher. It adds more when half of them are left.
 */
const DRAIN_AHEAD = 32;
/** Parked deliveries that a drain examines in one step for first attempts: a few milliseconds. */
const EXAMINED_AT_ONCE = 2_000;
/**
 * Drains whose search for first attempts is remembered, about 100 bytes each. A forgotten one begins with the
 * oldest parked delivery again.
 */
const SEARCHES_MAX = 10_000;

/**
 * Pauses a subscription. Pending deliveries and all later ones are parked. A retry is parked when it is due,
 * a claimed delivery when its attempt or its lease ends. Pausing a paused or disabled subscription changes
 * nothing.
 *
 * @returns undefined: not found
 * @throws Refusal `wrong_state` if the subscription has ended
 */
export async function pauseSubscription(
  store: Store,
  { accountId, id, now, by = BY_PROGRAM }: { accountId: AccountId; id: SubscriptionId; now: number; by?: By },
): Promise<Subscription | undefined> {
  const known = await transact(store, async (tx) => {
    const row = await lockSubscription(store, tx, accountId, id);
    if (row === undefined) return false;
    if (row.state === "ended") throw hasEnded(id, "id");
    if (row.state === "active") {
      await tx
        .updateTable("subscriptions")
        .set({ state: "paused", draining: 0, updated_at: now })
        .where("id", "=", id)
        .execute();
      const change = { before: { state: row.state }, after: { state: "paused" } };
      await enter(tx, [{ by, accountId, subject: "subscription", id, ...change, now }]);
    }
    return true;
  });
  if (!known) return undefined;
  for (let steps = 0; steps < STEPS_IN_CALL && (await parkSomePending(store, { id, now })).goesOn; steps++);
  return await getSubscription(store, { accountId, id });
}

/**
 * Makes a paused or disabled subscription active again. {@link drainSubscription} then drains its parked
 * deliveries. Resuming an active subscription changes nothing.
 *
 * @returns undefined: not found
 * @throws Refusal `wrong_state` if the subscription has ended
 */
export async function resumeSubscription(
  store: Store,
  { accountId, id, now, by = BY_PROGRAM }: { accountId: AccountId; id: SubscriptionId; now: number; by?: By },
): Promise<Subscription | undefined> {
  const known = await transact(store, async (tx) => {
    const row = await lockSubscription(store, tx, accountId, id);
    if (row === undefined) return false;
    if (row.state === "ended") throw hasEnded(id, "id");
    if (row.state !== "active") await resumeIn(tx, row, now, by);
    return true;
  });
  return known ? await getSubscription(store, { accountId, id }) : undefined;
}

/**
 * Resumes a subscription within a transaction that holds its row. If it was failing, it still is: nothing has
 * succeeded. What disables it is counted anew, since who resumes it says that its receiver is worth a try.
 */
export async function resumeIn(
  tx: Tx,
  { id, account_id: accountId, state }: Selectable<Tables["subscriptions"]>,
  now: number,
  by: By,
): Promise<void> {
  await tx
    .updateTable("subscriptions")
    .set({ state: "active", draining: 1, resumed_at: now, exhausted: 0, updated_at: now })
    .where("id", "=", id)
    .execute();
  const change = { before: { state }, after: { state: "active" } };
  await enter(tx, [{ by, accountId, subject: "subscription", id, ...change, now }]);
}

/** What {@link parkDelivery} found. Unless it is `parked`, nothing was changed. */
export type Parking =
  | "parked"
  /** The attempt is not the delivery's next one any more, or the delivery has ended. */
  | "moved"
  /** The subscription is active again. */
  | "active"
  /** The subscription has ended. */
  | "ended";

/**
 * Parks a delivery whose attempt is due while its subscription is paused or disabled. An attempt that another
 * run has recorded meanwhile parks nothing: once parked, the next one would be due as soon as the
 * subscription is resumed.
 *
 * @param attempt.number from 1
 */
export async function parkDelivery(
  store: Store,
  attempt: { id: DeliveryId; subscriptionId: SubscriptionId; number: number; now: number },
): Promise<Parking> {
  const { id, subscriptionId, number, now } = attempt;
  return await inLine(store, subscriptionId, async (tx) => {
    const subscription = await lockSubscription(store, tx, "any", subscriptionId, { ifLocked: "come_again" });
    const state = subscription?.state ?? "ended";
    if (state !== "paused" && state !== "disabled") return state;
    const row = await lockDelivery(store, tx, id);
    if (row === undefined || !isNextAttempt(row, number) || isTerminal(row.state)) return "moved";
    await moveAll(tx, "park", [row], {}, now);
    return "parked";
  });
}

/**
 * Parks some pending deliveries, in a transaction of its own; see {@link parkPending}. Claims park the
 * others, also those of an ingest in flight and those that a crash left behind.
 */
export async function parkSomePending(
  store: Store,
  { id, now }: { id: SubscriptionId; now: number },
): Promise<{ goesOn: boolean }> {
  const found = await transact(store, (tx) => parkPending(store, tx, { id, now, limit: MOVED_AT_ONCE }));
  return { goesOn: found === MOVED_AT_ONCE };
}

/**
 * Parks the oldest pending deliveries except tests, claimed ones and those that another transaction holds.
 *
 * @returns how many were found, at most `limit`
 */
export async function parkPending(
  store: Store,
  tx: Tx,
  { id, now, limit }: { id: SubscriptionId; now: number; limit: number },
): Promise<number> {
  const rows = await oldest(store, tx, id, "pending", limit)
    // Tests are sent even while the subscription is paused.
    .where("test", "=", 0)
    .where((eb) => eb.or([eb("lease_until", "is", null), eb("lease_until", "<", now)]))
    .execute();
  const ids = rows.map((row) => row.id);
  // A claimed delivery may be in flight. If it were parked and drained, it would be sent twice.
  const unclaimed = (await lockDeliveries(store, tx, ids, "skip")).filter(
    (row) => row.state === "pending" && (row.lease_until === null || row.lease_until < now),
  );
  await moveAll(tx, "park", unclaimed, {}, now);
  return rows.length;
}

/**
 * Lists the draining subscriptions, by account: they were resumed, and their deliveries are still parked or
 * were until just now.
 */
export async function listDraining(
  store: Store,
  page: PageByAccount<SubscriptionId>,
): Promise<ListByAccount<SubscriptionId>> {
  return await listMarked(store, "draining", page);
}

/**
 * Continues to drain a subscription: a few of its oldest parked deliveries become pending at a time, until
 * none is left. New deliveries are parked behind them.
 *
 * Retries that nobody starts, as while Temporal is away, do not hold up the first attempts behind them: while
 * they are what is pending, the first attempts alone become pending, in their order.
 *
 * If another transaction holds the subscription's row, nothing happens until the next call, and a delivery
 * that is held is left out until then: other subscriptions wait to be drained, too.
 *
 * @returns how many became pending
 */
export async function drainSubscription(
  store: Store,
  { id, now }: { id: SubscriptionId; now: number },
): Promise<number> {
  const ahead = await pendingOf(store, store.db, id);
  if (ahead.firstAttempts > DRAIN_AHEAD / 2) return 0;
  if (ahead.total > DRAIN_AHEAD / 2) return await drainFirstAttempts(store, { id, now });
  return await transact(store, async (tx) => {
    // The lock keeps the subscription from ending or pausing, and two workers from both finding the last
    // delivery.
    const row = await lockSubscription(store, tx, "any", id, { ifLocked: "skip" });
    if (row?.draining !== 1) return 0;
    const rows = await oldest(store, tx, id, "parked", DRAIN_AHEAD).execute();
    const parked = await lockDeliveries(
      store,
      tx,
      rows.map(({ id: deliveryId }) => deliveryId),
      "skip",
    );
    await moveAll(tx, "drain", parked, { next_attempt_at: now }, now);
    if (rows.length > 0 || (await pendingOf(store, tx, id)).total > 0) return rows.length;
    await tx.updateTable("subscriptions").set({ draining: 0 }).where("id", "=", id).execute();
    return 0;
  });
}

/**
 * Makes the oldest parked first attempts pending. The search passes the parked retries a part at a time, so
 * however many they are, each step is short. After the last parked delivery, it begins again.
 */
async function drainFirstAttempts(
  store: Store,
  { id, now }: { id: SubscriptionId; now: number },
): Promise<number> {
  const searches = searchesOf(store);
  const after = searches.get(id);
  let query = inState(store, store.db, { subscriptionId: id, state: "parked" }).select(["id", "attempts"]);
  if (after !== undefined) query = query.where("id", ">", after);
  const rows = await query.limit(EXAMINED_AT_ONCE).execute();
  const wanted = rows.filter(({ attempts }) => attempts === 0).slice(0, DRAIN_AHEAD);
  const ids = wanted.map((row) => row.id);
  const drained = ids.length === 0 ? 0 : await drainThese(store, { id, ids, now });
  // Where one was held, the next step looks for it again.
  if (drained < ids.length) return drained;
  const last = ids.length === DRAIN_AHEAD ? ids.at(-1) : rows.at(-1)?.id;
  if (last === undefined || (rows.length < EXAMINED_AT_ONCE && last === rows.at(-1)?.id)) searches.delete(id);
  else searches.set(id, last);
  return drained;
}

/** Makes those of these deliveries pending that are still parked and that no other transaction holds. */
async function drainThese(
  store: Store,
  { id, ids, now }: { id: SubscriptionId; ids: readonly DeliveryId[]; now: number },
): Promise<number> {
  return await transact(store, async (tx) => {
    const row = await lockSubscription(store, tx, "any", id, { ifLocked: "skip" });
    if (row?.draining !== 1) return 0;
    const locked = await lockDeliveries(store, tx, ids, "skip");
    const parked = locked.filter(({ state, attempts }) => state === "parked" && attempts === 0);
    await moveAll(tx, "drain", parked, { next_attempt_at: now }, now);
    return parked.length;
  });
}

const searchesByStore = new WeakMap<Store["db"], LRUCache<SubscriptionId, DeliveryId>>();

/** Returns the parked delivery up to which each drain's search for first attempts has come. */
function searchesOf({ db }: Store): LRUCache<SubscriptionId, DeliveryId> {
  const searches = searchesByStore.get(db) ?? new LRUCache({ max: SEARCHES_MAX });
  searchesByStore.set(db, searches);
  return searches;
}

/** Lists the subscriptions that have parked deliveries, by account. A jump along the index finds each. */
export async function listParked(
  store: Store,
  page: PageByAccount<SubscriptionId>,
): Promise<ListByAccount<SubscriptionId>> {
  return await listByAccount(
    {
      async nextAccount(after) {
        const next = await firstParked(store, "account_id", { after });
        return next === null ? undefined : (next as AccountId);
      },
      async piecesOf({ accountId, after, limit }) {
        const found: SubscriptionId[] = [];
        while (found.length < limit) {
          const last = found.at(-1) ?? after ?? 0;
          const next = await firstParked(store, "subscription_id", { accountId, after: last });
          if (next === null) break;
          found.push(next as SubscriptionId);
        }
        return found;
      },
    },
    page,
  );
}

/** Returns the least number after `after` among the parked deliveries, of all accounts or of one. */
async function firstParked(
  { db }: Store,
  column: "account_id" | "subscription_id",
  { accountId, after }: { accountId?: AccountId; after: number },
): Promise<number | null> {
  let query = db
    .selectFrom("deliveries")
    .select((eb) => eb.fn.min<number | null>(column).as("next"))
    .where("state", "=", "parked")
    .where(sql<number>`${sql.ref(column)}`, ">", after);
  if (accountId !== undefined) query = query.where("account_id", "=", accountId);
  const { next } = await query.executeTakeFirstOrThrow();
  return next === null ? null : Number(next);
}

/**
 * Has upkeep look after a subscription's parked deliveries again, if nobody does: starts to drain an active
 * subscription, and to finish the end of one that has ended. An ingest that was in flight while the
 * subscription was resumed or ended may have parked one after the drain, or the end, was over. A subscription
 * that another transaction holds is left to the next search.
 *
 * @returns whether nobody looked after them
 */
export async function adoptStrays(store: Store, id: SubscriptionId): Promise<boolean> {
  const row = await store.db
    .selectFrom("subscriptions")
    .select(["state", "draining", "ending"])
    .where("id", "=", id)
    .executeTakeFirst();
  const mark = row?.state === "active" ? "draining" : row?.state === "ended" ? "ending" : undefined;
  // Mostly somebody looks after them, and this check takes no lock.
  if (row === undefined || mark === undefined || row[mark] === 1) return false;
  return await transact(store, async (tx) => {
    const locked = await lockSubscription(store, tx, "any", id, { ifLocked: "skip" });
    if (locked?.state !== row.state || locked[mark] === 1) return false;
    await tx
      .updateTable("subscriptions")
      .set({ [mark]: 1 })
      .where("id", "=", id)
      .execute();
    return true;
  });
}

/** Returns how many deliveries are pending: all, and first attempts. Each is exact up to a drain's window. */
async function pendingOf(
  store: Store,
  db: Pick<Tx, "selectFrom">,
  id: SubscriptionId,
): Promise<{ total: number; firstAttempts: number }> {
  // A drain adds retries only up to one and a half windows.
  const rows = await inState(store, db, { subscriptionId: id, state: "pending" })
    .select("attempts")
    .limit(3 * DRAIN_AHEAD)
    .execute();
  return { total: rows.length, firstAttempts: rows.filter(({ attempts }) => attempts === 0).length };
}

/** Returns a query for the oldest deliveries of a subscription in a state. */
function oldest(store: Store, tx: Tx, id: SubscriptionId, state: "pending" | "parked", limit: number) {
  return inState(store, tx, { subscriptionId: id, state }).select("id").limit(limit);
}
