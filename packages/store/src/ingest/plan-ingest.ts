import type { AccountId, EventId } from "@posthaste/domain";
import type { Insertable } from "kysely";
import { Held } from "../database/contended.ts";
import { newEventId, sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";
import { deliveryRow } from "../deliveries/new-deliveries.ts";
import {
  FIRST_SUBSCRIPTION,
  matchFew,
  matchSubscriptions,
  type WalkedMatch,
} from "../subscriptions/match-subscriptions.ts";
import { type ContentPair, isKnownSame, Uncompared } from "./compare-contents.ts";
import { contentHash, heldKeysOf, keyId, readUsedKeys, type UsedKey } from "./idempotency-keys.ts";
import type { EventToIngest, IngestCall, IngestedEvent } from "./ingest-call.ts";

/**
 * The rows that the calls of one transaction will insert, and the data that was read once for all of them.
 */
export type IngestPlan = {
  readonly rows: IngestRows;
  readonly used: Map<string, UsedKey>;
  readonly matches: Map<string, FoundMatches>;
  /** Subscriptions that were read, and rows that were planned, for calls that leave nothing. */
  readInVain: number;
  /** The newest row of `subscription_event_types`; undefined: not read yet. */
  asOfRow: number | undefined;
};

/** The first matches of an event type. */
type FoundMatches = {
  readonly found: readonly WalkedMatch[];
  readonly isAll: boolean;
  /** How many were looked for. */
  readonly limit: number;
  /** If there are as many: they were looked up, and not only counted. */
  readonly isWalked: boolean;
};

/** Stands for the result of a call that would insert more rows than it may. */
export const TOO_WIDE = Symbol("too wide");

/** What became of a call. Only events were planned to be stored. */
export type Planned = IngestedEvent[] | typeof TOO_WIDE | Uncompared;

export type IngestRows = {
  readonly events: Insertable<Tables["events"]>[];
  readonly eventKeys: Insertable<Tables["event_keys"]>[];
  readonly deliveries: Insertable<Tables["deliveries"]>[];
  readonly keys: Insertable<Tables["idempotency_keys"]>[];
  readonly fanouts: Insertable<Tables["fanouts"]>[];
};

/**
 * Returns how many rows keep others waiting: events and deliveries, with all that is written for each. A
 * key's row was measured to take half as long as one of these.
 */
export function weightOf({ events, deliveries, eventKeys }: IngestRows): number {
  return events.length + deliveries.length + Math.ceil(eventKeys.length / 2);
}

/**
 * Begins a plan for these calls and reads which of their keys were used before.
 *
 * @param heldKeys keys to leave out; see {@link hasHeldKey}. Those that are found to be held are added
 * @throws Held if any was found: the transaction must be run again
 */
export async function beginPlan(
  store: Store,
  tx: Tx,
  calls: readonly IngestCall[],
  heldKeys: Set<string>,
): Promise<IngestPlan> {
  const used = new Map<string, UsedKey>();
  const keysOf = new Map<AccountId, Map<string, Buffer>>();
  for (const { accountId, events } of calls) {
    for (const { idempotencyKey: key } of events) {
      if (key === null) continue;
      const hash = sha256(key);
      if (heldKeys.has(keyId(accountId, hash))) continue;
      const keys = keysOf.get(accountId) ?? new Map<string, Buffer>();
      keysOf.set(accountId, keys.set(key, hash));
    }
  }
  let cause: unknown;
  for (const [accountId, keys] of keysOf) {
    const hashes = [...keys.values()];
    try {
      for (const [id, key] of await readUsedKeys(store, tx, accountId, hashes)) used.set(id, key);
    } catch (error) {
      if (!store.seam.isLockTimeout(error)) throw error;
      cause = error;
      for (const hash of await heldKeysOf(store, tx, accountId, hashes)) heldKeys.add(keyId(accountId, hash));
    }
  }
  if (cause !== undefined)
    throw new Held("another transaction uses an idempotency key and has not committed", { cause });
  return { rows: newRows(), used, matches: new Map(), readInVain: 0, asOfRow: undefined };
}

/**
 * Returns whether a call has an idempotency key that another transaction has used without having committed.
 * Whether the key was used before is not known until then.
 */
export function hasHeldKey({ accountId, events }: IngestCall, heldKeys: ReadonlySet<string>): boolean {
  if (heldKeys.size === 0) return false;
  return events.some(
    ({ idempotencyKey: key }) => key !== null && heldKeys.has(keyId(accountId, sha256(key))),
  );
}

/**
 * Plans one call: all of its rows or, if it throws, none. Everything is added to the plan at the end, so a
 * call that is refused midway leaves nothing behind.
 *
 * @param rowsMax maximum rows of the call, as {@link weightOf} counts them
 * @returns {@link TOO_WIDE}: the call would have more, and nothing was planned; {@link Uncompared}: nothing
 *   was planned, either
 * @throws Refusal `unauthenticated` if the account's erasure has been requested
 * @throws Held if another transaction is changing the account
 */
export async function planCall(
  store: Store,
  tx: Tx,
  plan: IngestPlan,
  ingest: IngestCall,
  rowsMax: number,
): Promise<Planned> {
  const rows = newRows();
  const used = new Map<string, UsedKey>();
  const planned = await planEvents(store, tx, plan, { ingest, rowsMax, rows, used });
  if (Array.isArray(planned)) {
    addRows(plan.rows, rows);
    for (const [id, key] of used) plan.used.set(id, key);
  } else {
    plan.readInVain += weightOf(rows);
  }
  return planned;
}

/** @param call.rows takes the call's rows, as `call.used` does the keys that it uses */
async function planEvents(
  store: Store,
  tx: Tx,
  plan: IngestPlan,
  call: { ingest: IngestCall; rowsMax: number; rows: IngestRows; used: Map<string, UsedKey> },
): Promise<Planned> {
  const { ingest, rowsMax, rows, used: usedHere } = call;
  const { accountId, now, traceparent } = ingest;
  const results: IngestedEvent[] = [];
  const uncompared: ContentPair[] = [];
  let room = ingest.deliveriesMax;

  for (const [index, event] of ingest.events.entries()) {
    const { eventType, idempotencyKey } = event;
    const keyHash = idempotencyKey === null ? null : sha256(idempotencyKey);
    const id = keyHash === null ? "" : keyId(accountId, keyHash);
    const before = keyHash === null ? undefined : (usedHere.get(id) ?? plan.used.get(id));
    if (before !== undefined) {
      if (!isKnownSame(before, event, ingest)) uncompared.push({ index, used: before, content: event });
      results.push({ eventId: before.eventId, deliveryCount: before.deliveryCount, duplicate: true });
      continue;
    }
    const eventId = newEventId(now);
    addEvent(rows, { accountId, eventId, now }, event);
    const rowsLeft = rowsMax - weightOf(rows);
    const matches = await matchesFor(store, tx, plan, { ingest, eventType, room, rowsLeft });
    if (matches === TOO_WIDE) return TOO_WIDE;
    const served = matches.found.slice(0, room);
    room -= served.length;
    if (!matches.isAll || served.length < matches.found.length) {
      plan.asOfRow ??= await newestSubscribedRow(tx);
      rows.fanouts.push({
        event_id: eventId,
        account_id: accountId,
        event_type: eventType,
        as_of_at: now,
        as_of_row: plan.asOfRow,
        after_subscription_id: served.at(-1)?.metAt ?? FIRST_SUBSCRIPTION,
        has_delivery: served.length > 0 ? 1 : 0,
      });
    }
    const origin = { accountId, eventId, eventType, now, traceparent };
    for (const match of served) rows.deliveries.push(deliveryRow(origin, match));
    if (keyHash !== null) {
      const key = keyRow(ingest, event, keyHash, eventId, served.length);
      rows.keys.push(key);
      usedHere.set(id, {
        contentHash: key.content_hash,
        eventId,
        deliveryCount: served.length,
        content: event,
      });
    }
    results.push({ eventId, deliveryCount: served.length, duplicate: false });
  }
  return uncompared.length > 0 ? new Uncompared(uncompared) : results;
}

function addEvent(
  rows: IngestRows,
  { accountId, eventId, now }: { accountId: AccountId; eventId: EventId; now: number },
  { eventType, data, idempotencyKey, keyHashes = [] }: EventToIngest,
): void {
  rows.events.push({
    id: eventId,
    account_id: accountId,
    event_type: eventType,
    data: bufferOf(data),
    created_at: now,
    idempotency_key: idempotencyKey,
  });
  for (const hash of keyHashes) {
    rows.eventKeys.push({ account_id: accountId, value_hash: hash, event_id: eventId });
  }
}

function newRows(): IngestRows {
  return { events: [], eventKeys: [], deliveries: [], keys: [], fanouts: [] };
}

function addRows(to: IngestRows, rows: IngestRows): void {
  for (const row of rows.events) to.events.push(row);
  for (const row of rows.eventKeys) to.eventKeys.push(row);
  for (const row of rows.deliveries) to.deliveries.push(row);
  for (const row of rows.keys) to.keys.push(row);
  for (const row of rows.fanouts) to.fanouts.push(row);
}

/**
 * Returns the subscriptions that get an event of this type: all of them, or as many as may be served now.
 *
 * @param of.room maximum deliveries of the call that may be created now
 * @param of.rowsLeft maximum rows of the call. If more match, this returns {@link TOO_WIDE} after a statement
 *   that has read no more than those
 */
async function matchesFor(
  store: Store,
  tx: Tx,
  plan: IngestPlan,
  of: { ingest: IngestCall; eventType: string; room: number; rowsLeft: number },
): Promise<FoundMatches | typeof TOO_WIDE> {
  const { ingest, eventType, room, rowsLeft } = of;
  if (rowsLeft < 0) return TOO_WIDE;
  const { accountId, holdsSubscription = false } = ingest;
  const limit = Math.min(room, rowsLeft) + 1;
  // Whether anything is left for the worker's upkeep, or for a wide call, is told without a walk.
  const isWalked = room > 0 && room <= rowsLeft;
  const key = `${accountId} ${eventType}`;
  let matches = plan.matches.get(key);
  if (matches === undefined || !tells(matches, { limit, isWalked })) {
    const event = { accountId, eventType, holdsSubscription };
    const found = await (isWalked ? matchSubscriptions : matchFew)(store, tx, event, limit);
    const isAll = found !== undefined && found.length < limit;
    matches = { found: found ?? [], isAll, limit, isWalked };
    plan.matches.set(key, matches);
    if (!isAll && rowsLeft < room) plan.readInVain += limit;
  }
  const fits = room <= rowsLeft || (matches.isAll && matches.found.length <= rowsLeft);
  return fits ? matches : TOO_WIDE;
}

/** Returns whether what was found says all that another search would. */
function tells(known: FoundMatches, wanted: Pick<FoundMatches, "limit" | "isWalked">): boolean {
  return known.isAll || (known.limit >= wanted.limit && (known.isWalked || !wanted.isWalked));
}

/** Returns the newest row of `subscription_event_types`. */
async function newestSubscribedRow(tx: Tx): Promise<number> {
  const { newest } = await tx
    .selectFrom("subscription_event_types")
    .select((eb) => eb.fn.max("id").as("newest"))
    .executeTakeFirstOrThrow();
  return Number(newest);
}

function keyRow(
  ingest: IngestCall,
  event: EventToIngest,
  keyHash: Buffer,
  eventId: EventId,
  deliveryCount: number,
): Insertable<Tables["idempotency_keys"]> {
  return {
    account_id: ingest.accountId,
    key_hash: keyHash,
    content_hash: contentHash(event),
    event_id: eventId,
    delivery_count: deliveryCount,
    created_at: ingest.now,
  };
}

/** Wraps bytes as the drivers want them, without a copy. */
function bufferOf(bytes: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}
