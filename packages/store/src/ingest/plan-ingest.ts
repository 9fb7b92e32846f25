import { type AccountId, type EventId, Refusal } from "@posthaste/domain";
import type { Insertable } from "kysely";
import { newEventId, sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";
import { deliveryRow } from "../deliveries/new-deliveries.ts";
import {
  FIRST_SUBSCRIPTION,
  matchSubscriptions,
  type WalkedMatch,
} from "../subscriptions/match-subscriptions.ts";
import { compareContent, contentHash, keyId, readUsedKeys, type UsedKey } from "./idempotency-keys.ts";
import type { EventToIngest, IngestCall, IngestedEvent } from "./ingest-call.ts";

/**
 * The rows that the calls of one transaction will insert, and the data that was read once for all of them.
 */
export type IngestPlan = {
  readonly rows: IngestRows;
  readonly used: Map<string, UsedKey>;
  readonly matches: Map<string, WalkedMatch[]>;
  /** The newest row of `subscription_event_types`; undefined: not read yet. */
  asOfRow: number | undefined;
};

export type IngestRows = {
  readonly events: Insertable<Tables["events"]>[];
  readonly deliveries: Insertable<Tables["deliveries"]>[];
  readonly keys: Insertable<Tables["idempotency_keys"]>[];
  readonly fanouts: Insertable<Tables["fanouts"]>[];
};

/** Begins a plan for these calls and reads which of their keys were used before. */
export async function beginPlan(tx: Tx, calls: readonly IngestCall[]): Promise<IngestPlan> {
  const used = new Map<string, UsedKey>();
  const keysOf = new Map<AccountId, Map<string, Buffer>>();
  for (const { accountId, events } of calls) {
    for (const { idempotencyKey: key } of events) {
      if (key === null) continue;
      const keys = keysOf.get(accountId) ?? new Map<string, Buffer>();
      keysOf.set(accountId, keys.set(key, sha256(key)));
    }
  }
  for (const [accountId, keys] of keysOf) {
    for (const [id, key] of await readUsedKeys(tx, accountId, [...keys.values()])) used.set(id, key);
  }
  return { rows: newRows(), used, matches: new Map(), asOfRow: undefined };
}

/**
 * Plans one call: all of its rows or, if it throws, none. Everything is added to the plan at the end, so a
 * call that is refused midway leaves nothing behind.
 *
 * @throws Refusal `already_exists` if a key was used with different content; the field names the event's
 *   index; `unauthenticated` if the account's erasure has been requested
 */
export async function planCall(
  store: Store,
  tx: Tx,
  plan: IngestPlan,
  ingest: IngestCall,
): Promise<IngestedEvent[]> {
  const { accountId, now, traceparent } = ingest;
  const results: IngestedEvent[] = [];
  const rows = newRows();
  const usedHere = new Map<string, UsedKey>();
  let room = ingest.deliveriesMax;

  for (const [index, event] of ingest.events.entries()) {
    const { eventType, idempotencyKey } = event;
    const keyHash = idempotencyKey === null ? null : sha256(idempotencyKey);
    const id = keyHash === null ? "" : keyId(accountId, keyHash);
    const before = keyHash === null ? undefined : (usedHere.get(id) ?? plan.used.get(id));
    if (before !== undefined) {
      const compared = await compareContent(tx, before, event);
      if (compared !== "same") throw keyTaken(compared, index, ingest.events.length);
      results.push({ eventId: before.eventId, deliveryCount: before.deliveryCount, duplicate: true });
      continue;
    }
    const matches = await matchesFor(store, tx, plan, ingest, eventType);
    const eventId = newEventId(now);
    const served = matches.slice(0, room);
    room -= served.length;
    if (served.length < matches.length) {
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
    rows.events.push({
      id: eventId,
      account_id: accountId,
      event_type: eventType,
      data: bufferOf(event.data),
      created_at: now,
    });
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
  addRows(plan.rows, rows);
  for (const [id, key] of usedHere) plan.used.set(id, key);
  return results;
}

function newRows(): IngestRows {
  return { events: [], deliveries: [], keys: [], fanouts: [] };
}

function addRows(to: IngestRows, rows: IngestRows): void {
  for (const row of rows.events) to.events.push(row);
  for (const row of rows.deliveries) to.deliveries.push(row);
  for (const row of rows.keys) to.keys.push(row);
  for (const row of rows.fanouts) to.fanouts.push(row);
}

/**
 * Returns the subscriptions that get an event of this type: all of them, or one more than may be served now,
 * which shows that there are more.
 */
async function matchesFor(
  store: Store,
  tx: Tx,
  plan: IngestPlan,
  ingest: IngestCall,
  eventType: string,
): Promise<WalkedMatch[]> {
  const { accountId, deliveriesMax, holdsSubscription = false } = ingest;
  const key = `${accountId} ${deliveriesMax} ${eventType}`;
  const known = plan.matches.get(key);
  if (known !== undefined) return known;
  const found = await matchSubscriptions(
    store,
    tx,
    { accountId, eventType, holdsSubscription },
    deliveriesMax + 1,
  );
  plan.matches.set(key, found);
  return found;
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

function keyTaken(how: "other" | "gone", index: number, count: number): Refusal {
  const field = count === 1 ? "idempotency_key" : `events[${index}].idempotency_key`;
  const words =
    how === "other"
      ? "was used before with different content"
      : "was used before with different bytes, for an event that has been deleted, so the contents cannot be compared";
  return new Refusal("already_exists", `${field} ${words}; use a new key for a new event`, { field });
}

/** Wraps bytes as the drivers want them, without a copy. */
function bufferOf(bytes: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}
