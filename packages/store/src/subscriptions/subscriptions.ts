import {
  type AccountId,
  type CustomHeaderChanges,
  changedHeaders,
  HOUR_MS,
  hostOf,
  Refusal,
  type SubscriptionId,
} from "@posthaste/domain";
import type { Selectable } from "kysely";
import { lockAccount } from "../accounts/lock-account.ts";
import { enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { contractIdOf, sha256 } from "../database/ids.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { updateRows } from "../database/update-rows.ts";
import { auditedSubscription, auditedUpdate } from "./audited-subscription.ts";
import { hostColumns, requireRoomOnHost } from "./hosts.ts";
import { liveSubscriptionIds } from "./live-subscriptions.ts";
import { hasEnded, lockSubscription } from "./lock-subscription.ts";
import { clearLine, clearSlots, insertTurns } from "./pace.ts";
import { readSubscription, type Subscription } from "./read-subscriptions.ts";
import { addSigningKey, newKeySet, type SigningKey } from "./signing-keys.ts";
import { openHeaders, optionColumns, type SubscriptionOptions } from "./subscription-options.ts";

/** `Retry-After` of a full account, in which only deleting a subscription helps. */
const ROOM_RETRY_AFTER_MS = HOUR_MS;

/** A subscription that was just created, with its signing key. */
export type NewSubscription = Subscription & { readonly signingKey: SigningKey };

/**
 * Creates a subscription.
 *
 * @throws Refusal `already_exists` if a live subscription of the account has this URL and one of these event
 *   types, `too_many` if the account has `subscriptionsMax` live subscriptions, or `unprovenHostMax` on a
 *   host that has answered none of its deliveries with 2xx, `unauthenticated` if its erasure has been
 *   requested
 */
export async function createSubscription(
  store: Store,
  input: {
    accountId: AccountId;
    targetUrl: string;
    eventTypes: readonly string[];
    /** Maximum live subscriptions of the account. Default: unlimited. */
    subscriptionsMax?: number;
    /** Maximum live subscriptions on a host that is not proven; see `hosts.ts`. Default: unlimited. */
    unprovenHostMax?: number;
    now: number;
    by?: By;
  } & Pick<SubscriptionOptions, "credential" | "acceptance" | "timeoutMs"> &
    Partial<SubscriptionOptions>,
): Promise<NewSubscription> {
  return await refusingDuplicates(store, (tx) => createIn(store, tx, input));
}

/**
 * Changes the given fields of a subscription and keeps the others.
 *
 * @returns undefined: not found
 * @throws Refusal `wrong_state` if the subscription has ended, `already_exists` as at creation, `too_many`
 *   if its new URL is on a host that is full, `invalid` if its changed headers may not be sent
 */
export async function updateSubscription(
  store: Store,
  input: {
    accountId: AccountId;
    id: SubscriptionId;
    now: number;
    by?: By;
    targetUrl?: string;
    /** As at creation. */
    unprovenHostMax?: number;
    eventTypes?: readonly string[];
    /** Applied to its present headers, instead of `headers`. */
    headerChanges?: CustomHeaderChanges;
  } & Partial<SubscriptionOptions>,
): Promise<Subscription | undefined> {
  const updated = await refusingDuplicates(store, (tx) => updateIn(store, tx, input));
  if (updated !== undefined && input.rate !== undefined) await clearSlots(store, input.id);
  return updated;
}

async function createIn(
  store: Store,
  tx: Tx,
  input: Parameters<typeof createSubscription>[1],
): Promise<NewSubscription> {
  const { accountId, targetUrl, now, by = BY_PROGRAM } = input;
  // The lock also keeps two concurrent calls from both taking the last place.
  await lockAccount(store, tx, accountId);
  if (input.subscriptionsMax !== undefined) await requireRoom(store, tx, accountId, input.subscriptionsMax);
  await requireFree(tx, input);
  if (input.unprovenHostMax !== undefined) {
    await requireRoomOnHost(store, tx, { accountId, targetUrl, max: input.unprovenHostMax });
  }
  const { insertId } = await tx
    .insertInto("subscriptions")
    .values({
      account_id: accountId,
      target_url: targetUrl,
      target_hash: sha256(targetUrl),
      ...hostColumns(targetUrl),
      state: "active",
      key_set: newKeySet(),
      acceptance: input.acceptance,
      created_at: now,
      updated_at: now,
      ended_at: null,
      ended_reason: null,
    })
    .executeTakeFirstOrThrow();
  const id = contractIdOf<SubscriptionId>(insertId);
  // Secrets are sealed for their row, whose id is known only now.
  await tx
    .updateTable("subscriptions")
    .set(optionColumns(store, id, input))
    .where("id", "=", id)
    .execute();
  await insertTurns(tx, accountId, id);
  const signingKey = await addSigningKey(tx, store.sealer, { accountId, subscriptionId: id }, now);
  await addEventTypes(tx, { accountId, id, targetUrl, eventTypes: input.eventTypes });
  const created = await requireSubscription(store, tx, accountId, id);
  const after = auditedSubscription(created);
  await enter(tx, [{ by, accountId, subject: "subscription", id, after, now }]);
  return { ...created, signingKey };
}

/**
 * Refuses a duplicate before anything is inserted. The database never assigns an id twice, even if its row is
 * rolled back, so a caller that repeats the same request would use up everybody's ids. Of two concurrent
 * requests, the index refuses one.
 *
 * @throws Refusal `already_exists`
 */
async function requireFree(tx: Tx, wanted: Wanted): Promise<void> {
  const taken = await tx
    .selectFrom("subscription_event_types")
    .select("id")
    .where("live_key", "in", liveKeys(wanted))
    .limit(1)
    .executeTakeFirst();
  if (taken !== undefined) throw alreadyExists();
}

/** @throws Refusal `too_many` */
async function requireRoom(store: Store, tx: Tx, accountId: AccountId, max: number): Promise<void> {
  const { live } = await tx
    .selectFrom(liveSubscriptionIds(store, tx, accountId).limit(max).as("some"))
    .select((eb) => eb.fn.countAll().as("live"))
    .executeTakeFirstOrThrow();
  if (Number(live) < max) return;
  throw new Refusal(
    "too_many",
    `this account has ${max} ${max === 1 ? "subscription" : "subscriptions"}, the maximum; delete some, or ask the operator for more`,
    { reason: "SUBSCRIPTIONS_FULL", metadata: { limit: String(max) }, retryAfterMs: ROOM_RETRY_AFTER_MS },
  );
}

async function updateIn(
  store: Store,
  tx: Tx,
  input: Parameters<typeof updateSubscription>[1],
): Promise<Subscription | undefined> {
  const { accountId, id, now, by = BY_PROGRAM, unprovenHostMax: max } = input;
  if (input.targetUrl !== undefined && max !== undefined) await lockAccount(store, tx, accountId);
  const before = await lockSubscription(store, tx, accountId, id);
  if (before === undefined) return undefined;
  if (before.state === "ended") {
    throw hasEnded(id, "id");
  }
  const was = await requireSubscription(store, tx, accountId, id);
  const targetUrl = input.targetUrl ?? before.target_url;
  const { headerChanges } = input;
  const options =
    headerChanges === undefined
      ? input
      : { ...input, headers: changedHeaders(openHeaders(store, before), headerChanges) };
  const movesHost = hostOf(targetUrl) !== hostOf(before.target_url);
  if (movesHost && max !== undefined) await requireRoomOnHost(store, tx, { accountId, targetUrl, max });
  await tx
    .updateTable("subscriptions")
    .set({
      target_url: targetUrl,
      target_hash: sha256(targetUrl),
      ...(movesHost ? hostColumns(targetUrl) : {}),
      updated_at: now,
      ...optionColumns(store, id, options),
    })
    .where("id", "=", id)
    .execute();
  if (input.rate !== undefined) await clearLine(tx, id);
  const rows = await liveRows(tx, id);
  const current = rows.map((row) => row.event_type);
  const wanted = input.eventTypes ?? current;
  const removed = current.filter((type) => !wanted.includes(type));
  const added = wanted.filter((type) => !current.includes(type));
  if (removed.length > 0) await removeEventTypes(tx, [id], removed, now);
  if (targetUrl !== before.target_url) {
    const kept = rows.filter((row) => wanted.includes(row.event_type));
    await changeUrlOf(tx, { accountId, targetUrl }, kept);
  }
  if (added.length > 0) await addEventTypes(tx, { accountId, id, targetUrl, eventTypes: added });
  const updated = await requireSubscription(store, tx, accountId, id);
  const change = auditedUpdate(store, { row: before, was, updated, input: options });
  await enter(tx, [{ by, accountId, subject: "subscription", id, ...change, now }]);
  return updated;
}

/** Reads a subscription that the transaction has stored or locked. */
async function requireSubscription(
  store: Store,
  tx: Tx,
  accountId: AccountId,
  id: SubscriptionId,
): Promise<Subscription> {
  const found = await readSubscription(store, tx, accountId, id);
  if (found === undefined) throw new Error(`subscription ${id}, which exists, cannot be read`);
  return found;
}

export async function removeEventTypes(
  tx: Tx,
  ids: readonly SubscriptionId[],
  eventTypes: readonly string[] | "all",
  now: number,
): Promise<void> {
  const query = tx
    .updateTable("subscription_event_types")
    .set({ removed_at: now, live_key: null })
    .where("subscription_id", "in", ids)
    .where("removed_at", "is", null);
  await (eventTypes === "all" ? query : query.where("event_type", "in", eventTypes)).execute();
}

type Wanted = { accountId: AccountId; targetUrl: string; eventTypes: readonly string[] };

async function addEventTypes(tx: Tx, wanted: Wanted & { id: SubscriptionId }): Promise<void> {
  const keys = liveKeys(wanted);
  const rows = wanted.eventTypes.map((eventType, i) => ({
    subscription_id: wanted.id,
    account_id: wanted.accountId,
    event_type: eventType,
    removed_at: null,
    live_key: keys[i] ?? null,
  }));
  await insertRows(tx, "subscription_event_types", rows);
}

/**
 * Gives the live event types of a subscription the keys of its new URL. Their rows stay, since a fan-out in
 * progress finds by them what the subscription wanted at the ingest, whichever URL it had.
 */
async function changeUrlOf(
  tx: Tx,
  to: Pick<Wanted, "accountId" | "targetUrl">,
  rows: readonly LiveRow[],
): Promise<void> {
  const keys = liveKeys({ ...to, eventTypes: rows.map((row) => row.event_type) });
  const updates = rows.map(({ id }, i) => ({ key: id, values: { live_key: keys[i] ?? null } }));
  await updateRows(tx, "subscription_event_types", "id", updates);
}

/** Returns the live key of each event type; no two live rows may share one. */
function liveKeys({ accountId, targetUrl, eventTypes }: Wanted): Buffer[] {
  return eventTypes.map((eventType) => sha256(`${accountId}\n${eventType}\n${targetUrl}`));
}

type LiveRow = Pick<Selectable<Tables["subscription_event_types"]>, "id" | "event_type">;

async function liveRows(tx: Tx, id: SubscriptionId): Promise<LiveRow[]> {
  return await tx
    .selectFrom("subscription_event_types")
    .select(["id", "event_type"])
    .where("subscription_id", "=", id)
    .where("removed_at", "is", null)
    .execute();
}

async function refusingDuplicates<T>(store: Store, body: (tx: Tx) => Promise<T>): Promise<T> {
  try {
    return await transact(store, body);
  } catch (error) {
    if (!store.seam.isDuplicate(error)) throw error;
    throw alreadyExists(error);
  }
}

function alreadyExists(cause?: unknown): Refusal {
  return new Refusal(
    "already_exists",
    "a subscription of this account already has this target_url and one of these event types; change or delete that one",
    { reason: "SUBSCRIPTION_EXISTS", field: "target_url", cause },
  );
}
