import { createHash } from "node:crypto";
import type { DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { DAY_MS } from "@posthaste/domain";
import type { Stack } from "@posthaste/stack";
import { dataJson } from "./traffic.ts";

/** Events per transaction: a few hundred milliseconds, and little memory. */
const EVENTS_AT_ONCE = 5_000;
/** Rows per statement: the widest table stays below SQLite's limit of 32,766 variables. */
const ROWS_AT_ONCE = 500;
/** The age of the first event. The others follow one per millisecond. */
const AGE_MS = DAY_MS;

/** The subscription that the deliveries belong to, and their event type. */
export type Owner = { readonly subscriptionId: SubscriptionId; readonly eventType: string };

/**
 * Fills the tables as if they had been in use for a while. Inserts events that were delivered a day ago, each
 * with its idempotency key, delivery, attempt and changes.
 *
 * @param from the number of events already there
 * @param to the number of events after it
 */
export async function prefill(stack: Stack, owner: Owner, from: number, to: number): Promise<void> {
  const origin = { accountId: stack.accountId, at: Date.now() - AGE_MS, ...owner };
  for (let first = from; first < to; first += EVENTS_AT_ONCE) {
    const last = Math.min(first + EVENTS_AT_ONCE, to);
    await stack.store.db.transaction().execute(async (tx) => {
      for (let n = first; n < last; n += ROWS_AT_ONCE) {
        const rows = Array.from({ length: Math.min(ROWS_AT_ONCE, last - n) }, (_, i) =>
          rowsOf(origin, n + i),
        );
        await tx
          .insertInto("events")
          .values(rows.map((row) => row.event))
          .execute();
        await tx
          .insertInto("idempotency_keys")
          .values(rows.map((row) => row.key))
          .execute();
        await tx
          .insertInto("deliveries")
          .values(rows.map((row) => row.delivery))
          .execute();
        await tx
          .insertInto("attempts")
          .values(rows.map((row) => row.attempt))
          .execute();
        await tx
          .insertInto("delivery_changes")
          .values(rows.flatMap((row) => row.changes))
          .execute();
      }
    });
  }
}

type Origin = Owner & { readonly accountId: Stack["accountId"]; readonly at: number };

const data = Buffer.from(dataJson);
const nothing = Buffer.alloc(0);
const sha256 = (text: string) => createHash("sha256").update(text).digest();

/** Returns all rows of one delivered event. */
function rowsOf({ accountId, subscriptionId, eventType, at }: Origin, n: number) {
  const eventId = `evt_${idOf(at + n, n)}` as EventId;
  const deliveryId = `dlv_${idOf(at + n, n)}` as DeliveryId;
  const time = at + n;
  const hash = sha256(eventId);
  const ended = { attempts: 1, last_outcome: "accepted" as const, last_status: 200 };
  const change = {
    batch: 0,
    account_id: accountId,
    delivery_id: deliveryId,
    event_id: eventId,
    event_type: eventType,
    subscription_id: subscriptionId,
    changed_at: time,
  };
  return {
    event: { id: eventId, account_id: accountId, event_type: eventType, data, created_at: time },
    key: {
      account_id: accountId,
      key_hash: hash,
      content_hash: hash,
      event_id: eventId,
      delivery_count: 1,
      created_at: time,
    },
    delivery: {
      id: deliveryId,
      account_id: accountId,
      event_id: eventId,
      event_type: eventType,
      subscription_id: subscriptionId,
      target_key: hash,
      state: "succeeded" as const,
      ...ended,
      test: 0,
      created_at: time,
      started_at: time,
      ended_at: time,
    },
    attempt: {
      delivery_id: deliveryId,
      number: 1,
      account_id: accountId,
      started_at: time,
      duration_ms: 1,
      outcome: "accepted" as const,
      acceptance: "OK_ONLY" as const,
      status: 200,
      request_headers: "[]",
      response_headers: "[]",
      response_body: nothing,
      response_truncated: 0,
      address: "127.0.0.1",
      target_url: "http://127.0.0.1/hook",
    },
    changes: [
      { ...change, cause: "ingested" as const, state: "pending" as const, attempts: 0 },
      {
        ...change,
        cause: "attempt_succeeded" as const,
        state: "succeeded" as const,
        ...ended,
        attempt_ms: 1,
      },
    ],
  };
}

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_CHARS = 10;
const RANDOM_CHARS = 16;

/** Returns an id in the usual shape: the time, then what distinguishes ids of the same moment. */
function idOf(at: number, n: number): string {
  return `${base32(at, TIME_CHARS)}${base32(n, RANDOM_CHARS)}`;
}

function base32(value: number, chars: number): string {
  let text = "";
  for (let rest = value; text.length < chars; rest = Math.floor(rest / ALPHABET.length)) {
    text = `${ALPHABET[rest % ALPHABET.length]}${text}`;
  }
  return text;
}
