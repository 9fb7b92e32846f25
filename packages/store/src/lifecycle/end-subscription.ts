import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By, deletedBy } from "../audit/by.ts";
import { byIndex, inState } from "../database/by-index.ts";
import { sha256 } from "../database/ids.ts";
import type { ListByAccount, PageByAccount } from "../database/list-by-account.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { cancel } from "../deliveries/deliveries.ts";
import { lockDeliveries } from "../deliveries/move.ts";
import { OPEN_STATES } from "../deliveries/transitions.ts";
import { listMarked } from "../subscriptions/list-marked.ts";
import { liveOnUrl } from "../subscriptions/live-subscriptions.ts";
import { lockSubscription } from "../subscriptions/lock-subscription.ts";
import { deleteTurnSlots, lockAllTurns } from "../subscriptions/pace.ts";
import { getSubscription, type Subscription } from "../subscriptions/read-subscriptions.ts";
import { removeEventTypes } from "../subscriptions/subscriptions.ts";

/**
 * Maximum deliveries cancelled, or turn slots deleted, in one transaction, so that a large backlog does not
 * hold locks for long.
 */
const FINISHED_AT_ONCE = 500;
/** Transactions that the caller of an end waits for: 5,000 deliveries, in about a second. */
const STEPS_IN_CALL = 10;

/**
 * Ends a subscription permanently and cancels its open deliveries. Ending it twice changes nothing.
 *
 * The subscription ends in one transaction, which also marks it as `ending`. Its deliveries are cancelled in
 * later ones: the first 5,000 in this call, further ones by the worker's upkeep, which also continues after a
 * crash; see {@link finishEnd}.
 *
 * @param input.reason Default: it was deleted, and by whom
 * @returns undefined: not found
 */
export async function endSubscription(
  store: Store,
  input: { accountId: AccountId; id: SubscriptionId; reason?: string; now: number; by?: By },
): Promise<Subscription | undefined> {
  const { accountId, id, now, by = BY_PROGRAM } = input;
  const { reason = deletedBy(by, accountId) } = input;
  const known = await transact(store, async (tx) => {
    const row = await lockSubscription(store, tx, accountId, id);
    if (row === undefined || row.state === "ended") return row !== undefined;
    await endIn(tx, [id], reason, now);
    const change = { before: { state: row.state }, after: { state: "ended", ended_reason: reason } };
    await enter(tx, [{ by, accountId, subject: "subscription", id, ...change, now }]);
    return true;
  });
  if (!known) return undefined;
  for (let steps = 0; steps < STEPS_IN_CALL && (await finishEnd(store, { id, now })).goesOn; steps++);
  return await getSubscription(store, { accountId, id });
}

/**
 * Ends every live subscription of the account on this URL.
 *
 * @returns how many were live, and whether the account ever had a subscription on the URL
 */
export async function endSubscriptionsByUrl(
  store: Store,
  {
    accountId,
    targetUrl,
    ...ended
  }: { accountId: AccountId; targetUrl: string; reason?: string; now: number; by?: By },
): Promise<{ ended: number; known: boolean }> {
  const targetHash = sha256(targetUrl);
  const known = await store.db
    .selectFrom(byIndex(store, "subscriptions", "subscriptions_by_url"))
    .select("id")
    .where("account_id", "=", accountId)
    .where("target_hash", "=", targetHash)
    .limit(1)
    .executeTakeFirst();
  const live = await liveOnUrl(store, store.db, { accountId, targetHash }).execute();
  for (const row of live) await endSubscription(store, { accountId, id: row.id, ...ended });
  return { ended: live.length, known: known !== undefined };
}

/** Marks subscriptions as ended, within a transaction that holds their rows. */
export async function endIn(
  tx: Tx,
  ids: readonly SubscriptionId[],
  reason: string,
  now: number,
): Promise<void> {
  await tx
    .updateTable("subscriptions")
    .set({
      state: "ended",
      ended_at: now,
      ended_reason: reason,
      updated_at: now,
      credential: null,
      headers: null,
      draining: 0,
      ending: 1,
    })
    .where("id", "in", ids)
    .where("state", "!=", "ended")
    .execute();
  await removeEventTypes(tx, ids, "all", now);
  // Nothing more is sent, so nothing needs the keys.
  await tx.deleteFrom("signing_keys").where("subscription_id", "in", ids).execute();
}

/** Lists the ended subscriptions whose end is not finished, by account; see {@link finishEnd}. */
export async function listEnding(
  store: Store,
  page: PageByAccount<SubscriptionId>,
): Promise<ListByAccount<SubscriptionId>> {
  return await listMarked(store, "ending", page);
}

/**
 * Takes one step to finish the end of a subscription: cancels some of its open deliveries or, if there are
 * none, deletes some of its turn slots. Several processes may do so at once. What another transaction holds
 * is left to a later call: other subscriptions wait to be finished, too.
 *
 * A delivery that an ingest in flight creates after the last step is ended as well: one that is pending is
 * claimed, and its attempt cancels it; one that is parked is found by `adoptStrays`.
 *
 * @returns how many deliveries were cancelled, and whether there may be more to do now
 */
export async function finishEnd(
  store: Store,
  { id, now }: { id: SubscriptionId; now: number },
): Promise<{ moved: number; goesOn: boolean }> {
  for (const state of OPEN_STATES) {
    const rows = await inState(store, store.db, { subscriptionId: id, state })
      .select("id")
      .limit(FINISHED_AT_ONCE)
      .execute();
    if (rows.length === 0) continue;
    const ids = rows.map((row) => row.id);
    const moved = await transact(store, async (tx) =>
      cancel(tx, await lockDeliveries(store, tx, ids, "skip"), "its subscription has ended", now),
    );
    return { moved, goesOn: moved > 0 };
  }
  return await transact(store, async (tx) => {
    const row = await lockSubscription(store, tx, "any", id, { ifLocked: "skip" });
    const line = await lockAllTurns(store, tx, [id], { ifLocked: "skip" });
    if (row === undefined || line.size === 0) return { moved: 0, goesOn: false };
    const slots = await deleteTurnSlots(store, tx, { id, limit: FINISHED_AT_ONCE });
    const isAll = slots < FINISHED_AT_ONCE;
    if (isAll) await tx.updateTable("subscriptions").set({ ending: 0 }).where("id", "=", id).execute();
    return { moved: 0, goesOn: !isAll };
  });
}
