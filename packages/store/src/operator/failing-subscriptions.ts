import type { AccountId, DeliveryId, Outcome, SubscriptionId } from "@posthaste/domain";
import { byIndex, inState } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import { LIVE_STATES } from "../subscriptions/live-subscriptions.ts";
import { readSubscriptions, type Subscription } from "../subscriptions/read-subscriptions.ts";

/** A failing subscription with its owner, its cause and what waits for it. */
export type FailingSubscription = {
  readonly subscription: Subscription & { readonly failingSince: number };
  readonly accountName: string;
  /** Its newest delivery whose last attempt failed, if it is among the {@link EXAMINED_MAX} newest. */
  readonly last:
    | { readonly deliveryId: DeliveryId; readonly outcome: Outcome; readonly status: number | null }
    | undefined;
  /** Deliveries that have failed and wait for a retry, or make it; stops at {@link COUNTED_MAX}. */
  readonly retrying: number;
  /** When the first of these is due. */
  readonly nextAttemptAt: number | null;
};

/** Where a page begins: after the subscription that has failed since then. */
export type FailingPlace = { readonly failingSince: number; readonly id: SubscriptionId };

const COUNTED_MAX = 1_000;
/** The newest deliveries among which one that failed is looked for. */
const EXAMINED_MAX = 50;

/**
 * Lists failing subscriptions that have not ended, the longest failing first.
 *
 * @param page.accountId only this account's. Default: all accounts'
 */
export async function listFailingSubscriptions(
  store: Store,
  page: { readonly accountId?: AccountId; readonly after?: FailingPlace; readonly limit: number },
): Promise<FailingSubscription[]> {
  const ids = await failingIds(store, page);
  const read = new Map((await readSubscriptions(store, store.db, ids)).map((one) => [one.id, one]));
  const found: FailingSubscription[] = [];
  // In the order of the ids that were found. One may have ended or recovered since.
  for (const subscription of ids.map((id) => read.get(id))) {
    if (subscription === undefined || subscription.failingSince === null) continue;
    const { failingSince, id, accountId } = subscription;
    const waiting = await waitingFor(store, id);
    const [accountName, last] = [await nameOf(store, accountId), await lastFailure(store, id)];
    found.push({ subscription: { ...subscription, failingSince }, accountName, last, ...waiting });
  }
  return found;
}

async function failingIds(
  store: Store,
  { accountId, after, limit }: { accountId?: AccountId; after?: FailingPlace; limit: number },
): Promise<SubscriptionId[]> {
  const index = accountId === undefined ? "subscriptions_failing" : "subscriptions_failing_by_account";
  const rows: { id: SubscriptionId; failing_since: number | null }[] = [];
  for (const state of LIVE_STATES) {
    let query = store.db
      .selectFrom(byIndex(store, "subscriptions", index))
      .select(["id", "failing_since"])
      .where("state", "=", state)
      .where("failing_since", "is not", null)
      .orderBy("failing_since")
      .orderBy("id")
      .limit(limit);
    if (accountId !== undefined) query = query.where("account_id", "=", accountId);
    if (after !== undefined) {
      const { failingSince, id } = after;
      query = query
        .where("failing_since", ">=", failingSince)
        .where((eb) => eb.or([eb("failing_since", ">", failingSince), eb("id", ">", id)]));
    }
    rows.push(...(await query.execute()));
  }
  const sinceOf = ({ failing_since: since }: (typeof rows)[number]) => since ?? 0;
  rows.sort((one, other) => sinceOf(one) - sinceOf(other) || one.id - other.id);
  return rows.slice(0, limit).map(({ id }) => id);
}

async function nameOf({ db }: Store, id: AccountId): Promise<string> {
  const row = await db.selectFrom("accounts").select("name").where("id", "=", id).executeTakeFirst();
  return row?.name ?? "";
}

async function lastFailure(store: Store, id: SubscriptionId): Promise<FailingSubscription["last"]> {
  const newest = await store.db
    .selectFrom(byIndex(store, "deliveries", "deliveries_by_subscription"))
    .select(["id", "last_outcome", "last_status"])
    .where("subscription_id", "=", id)
    .orderBy("id", "desc")
    .limit(EXAMINED_MAX)
    .execute();
  for (const { id: deliveryId, last_outcome: outcome, last_status: status } of newest) {
    if (outcome !== null && outcome !== "accepted") return { deliveryId, outcome, status };
  }
  return undefined;
}

async function waitingFor(
  store: Store,
  subscriptionId: SubscriptionId,
): Promise<Pick<FailingSubscription, "retrying" | "nextAttemptAt">> {
  const waiting = inState(store, store.db, { subscriptionId, state: "started" })
    .select(["next_attempt_at", "attempts"])
    .limit(COUNTED_MAX);
  const { retrying, next } = await store.db
    .selectFrom(waiting.as("waiting"))
    .select((eb) => [eb.fn.countAll().as("retrying"), eb.fn.min("next_attempt_at").as("next")])
    .where("attempts", ">", 0)
    .executeTakeFirstOrThrow();
  return { retrying: Number(retrying), nextAttemptAt: next === null ? null : Number(next) };
}
