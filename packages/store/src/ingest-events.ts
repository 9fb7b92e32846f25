import { type AccountId, type EventId, Refusal } from "@posthaste/domain";
import type { Insertable } from "kysely";
import { logChanges } from "./delivery-changes.ts";
import { newDeliveryId, newEventId, sha256 } from "./ids.ts";
import { FIRST_HASH, type Match, matchSubscriptions } from "./match-subscriptions.ts";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";
import { Contended, type Tx, transact } from "./transact.ts";

export type EventToIngest = {
  readonly eventType: string;
  /** The snapshot's bytes, which receivers get. */
  readonly data: Uint8Array;
  /** A SHA-256 that is equal for equal content; compared where an idempotency key is used again. */
  readonly contentHash: Uint8Array;
  readonly idempotencyKey: string | null;
};

export type IngestedEvent = {
  readonly eventId: EventId;
  readonly deliveryCount: number;
  /** The key was used before with the same content; nothing new was stored. */
  readonly duplicate: boolean;
};

export type Ingest = {
  readonly accountId: AccountId;
  readonly events: readonly EventToIngest[];
  /** Deliveries made in this call at most; what is beyond is left to {@link continueFanouts}. */
  readonly deliveriesMax: number;
  readonly now: number;
  /** Of the call, by W3C Trace Context. Default: none. */
  readonly traceparent?: string | undefined;
};

/** Rows of one insert: below SQLite's 32,766 variables and MySQL's packet. */
const ROWS_AT_ONCE = 500;
/** Snapshots of one insert; they travel as hex, so twice this, and MariaDB takes packets of 16 MiB. */
const DATA_BYTES_AT_ONCE = 2 * 1024 * 1024;

/**
 * Stores events and a delivery row for each matching subscription, in one transaction: all of it, or none. Once this
 * resolves, the deliveries are owed.
 *
 * Two calls with one idempotency key may meet: the second to commit finds the key taken, is rolled back, and starts
 * over, now seeing the first's result.
 *
 * @throws Refusal `already_exists` where a key was used with other content; the field names the event's index
 */
export async function ingestEvents(store: Store, ingest: Ingest): Promise<IngestedEvent[]> {
  return await transact(store, (tx) => storeEvents(store, tx, ingest));
}

/** The same within a transaction. */
export async function storeEvents(store: Store, tx: Tx, ingest: Ingest): Promise<IngestedEvent[]> {
  const known = await knownKeys(tx, ingest);
  const results: IngestedEvent[] = [];
  const fresh = newRows();
  const matching = new Map<string, Match[]>();
  let room = ingest.deliveriesMax;
  let asOfRow: number | undefined;

  for (const [index, event] of ingest.events.entries()) {
    const before = event.idempotencyKey === null ? undefined : known.get(event.idempotencyKey);
    if (before !== undefined) {
      if (!before.contentHash.equals(event.contentHash)) throw keyTaken(index, ingest.events.length);
      results.push({ eventId: before.eventId, deliveryCount: before.deliveryCount, duplicate: true });
      continue;
    }
    let matches = matching.get(event.eventType);
    if (matches === undefined) {
      matches = await matchAll(tx, ingest, event.eventType);
      matching.set(event.eventType, matches);
    }
    const eventId = newEventId(ingest.now);
    const now = matches.slice(0, room);
    room -= now.length;
    if (now.length < matches.length) {
      asOfRow ??= await newestWish(tx);
      fresh.fanouts.push(fanoutRow(ingest, event, eventId, asOfRow, now.at(-1)?.targetHash ?? FIRST_HASH));
    }
    fresh.events.push(eventRow(ingest, event, eventId));
    const origin = {
      accountId: ingest.accountId,
      eventId,
      eventType: event.eventType,
      now: ingest.now,
      traceparent: ingest.traceparent,
    };
    fresh.deliveries.push(...now.map((match) => deliveryRow(origin, match)));
    if (event.idempotencyKey !== null) {
      fresh.keys.push(keyRow(ingest, event, event.idempotencyKey, eventId, now.length));
      known.set(event.idempotencyKey, {
        contentHash: bufferOf(event.contentHash),
        eventId,
        deliveryCount: now.length,
      });
    }
    results.push({ eventId, deliveryCount: now.length, duplicate: false });
  }
  await insertAll(store, tx, fresh);
  return results;
}

/** The row of one event's delivery to one match. */
export function deliveryRow(
  origin: {
    accountId: AccountId;
    eventId: EventId;
    eventType: string;
    now: number;
    traceparent?: string | null | undefined;
  },
  match: Match,
): Insertable<Tables["deliveries"]> {
  return {
    id: newDeliveryId(origin.now),
    account_id: origin.accountId,
    event_id: origin.eventId,
    event_type: origin.eventType,
    subscription_id: match.subscriptionId,
    target_key: match.targetHash,
    state: match.parks ? "parked" : "pending",
    attempts: 0,
    next_attempt_at: match.parks ? null : origin.now,
    created_at: origin.now,
    traceparent: origin.traceparent ?? null,
  };
}

/** Inserts deliveries of one moment. */
export async function insertDeliveries(tx: Tx, rows: Insertable<Tables["deliveries"]>[]): Promise<void> {
  for (const chunk of chunksOf(rows)) await tx.insertInto("deliveries").values(chunk).execute();
  await logChanges(
    tx,
    rows.map((row) => row.id),
    rows[0]?.created_at ?? 0,
  );
}

type NewRows = {
  events: Insertable<Tables["events"]>[];
  deliveries: Insertable<Tables["deliveries"]>[];
  keys: Insertable<Tables["idempotency_keys"]>[];
  fanouts: Insertable<Tables["fanouts"]>[];
};

function newRows(): NewRows {
  return { events: [], deliveries: [], keys: [], fanouts: [] };
}

async function insertAll(
  store: Store,
  tx: Tx,
  { events, deliveries, keys, fanouts }: NewRows,
): Promise<void> {
  try {
    for (const chunk of chunksOf(keys)) await tx.insertInto("idempotency_keys").values(chunk).execute();
  } catch (error) {
    if (store.seam.isDuplicate(error))
      throw new Contended("an idempotency key was taken meanwhile", { cause: error });
    throw error;
  }
  for (const chunk of chunksOf(events, (row) => row.data.length)) {
    await tx.insertInto("events").values(chunk).execute();
  }
  await insertDeliveries(tx, deliveries);
  for (const chunk of chunksOf(fanouts)) await tx.insertInto("fanouts").values(chunk).execute();
}

type KnownKey = { contentHash: Buffer; eventId: EventId; deliveryCount: number };

async function knownKeys(tx: Tx, { accountId, events }: Ingest): Promise<Map<string, KnownKey>> {
  const keys = new Map(
    events.flatMap(({ idempotencyKey: key }) => (key === null ? [] : [[sha256(key).toString("hex"), key]])),
  );
  const known = new Map<string, KnownKey>();
  for (const chunk of chunksOf([...keys.values()])) {
    const rows = await tx
      .selectFrom("idempotency_keys")
      .selectAll()
      .where("account_id", "=", accountId)
      .where(
        "key_hash",
        "in",
        chunk.map((key) => sha256(key)),
      )
      .execute();
    for (const row of rows) {
      known.set(keys.get(row.key_hash.toString("hex")) ?? "", {
        contentHash: row.content_hash,
        eventId: row.event_id as EventId,
        deliveryCount: row.delivery_count,
      });
    }
  }
  return known;
}

/** One more than may be delivered now, so that "there are more" is seen. */
async function matchAll(tx: Tx, ingest: Ingest, eventType: string): Promise<Match[]> {
  const found: Match[] = [];
  let after = FIRST_HASH;
  for (;;) {
    const { matches, more } = await matchSubscriptions(tx, {
      accountId: ingest.accountId,
      eventType,
      after,
      asOf: "now",
      limit: ingest.deliveriesMax + 1,
    });
    found.push(...matches);
    if (!more || found.length > ingest.deliveriesMax) return found;
    after = matches.at(-1)?.targetHash ?? after;
  }
}

/** The last thing anyone subscribed to, as of now. */
async function newestWish(tx: Tx): Promise<number> {
  const { newest } = await tx
    .selectFrom("subscription_event_types")
    .select((eb) => eb.fn.max("id").as("newest"))
    .executeTakeFirstOrThrow();
  return Number(newest);
}

function fanoutRow(
  ingest: Ingest,
  event: EventToIngest,
  eventId: EventId,
  asOfRow: number,
  after: Match["targetHash"],
): Insertable<Tables["fanouts"]> {
  return {
    event_id: eventId,
    account_id: ingest.accountId,
    event_type: event.eventType,
    as_of_at: ingest.now,
    as_of_row: asOfRow,
    after_target_hash: after,
  };
}

function eventRow(ingest: Ingest, event: EventToIngest, eventId: EventId): Insertable<Tables["events"]> {
  return {
    id: eventId,
    account_id: ingest.accountId,
    event_type: event.eventType,
    data: bufferOf(event.data),
    created_at: ingest.now,
  };
}

function keyRow(
  ingest: Ingest,
  event: EventToIngest,
  key: string,
  eventId: EventId,
  deliveryCount: number,
): Insertable<Tables["idempotency_keys"]> {
  return {
    account_id: ingest.accountId,
    key_hash: sha256(key),
    content_hash: bufferOf(event.contentHash),
    event_id: eventId,
    delivery_count: deliveryCount,
    created_at: ingest.now,
  };
}

function keyTaken(index: number, count: number): Refusal {
  const field = count === 1 ? "idempotency_key" : `events[${index}].idempotency_key`;
  return new Refusal(
    "already_exists",
    `${field} was used before with other content; use a new key for a new event`,
    { field },
  );
}

/** The same bytes as the drivers want them, without a copy. */
function bufferOf(bytes: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}

function* chunksOf<T>(rows: readonly T[], sizeOf: (row: T) => number = () => 0): Generator<T[]> {
  let chunk: T[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = sizeOf(row);
    if (chunk.length > 0 && (chunk.length === ROWS_AT_ONCE || bytes + size > DATA_BYTES_AT_ONCE)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(row);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}
