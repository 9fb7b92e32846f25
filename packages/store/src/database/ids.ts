import { createHash, randomFillSync } from "node:crypto";
import type { AuditEntryId, DeliveryId, EventId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { encodeTime, monotonicFactory } from "ulid";

/**
 * Filled in blocks: the library asks for each of the 16 characters, and one system call for each would cost
 * more than an insert.
 */
const random = new Uint8Array(4_096);
let drawn = random.length;

const newFactory = () =>
  monotonicFactory(() => {
    if (drawn === random.length) {
      randomFillSync(random);
      drawn = 0;
    }
    return (random[drawn++] ?? 0) / 256;
  });

/**
 * The installation's clock this far behind the ids was set back, by a failover or a time server, and the ids
 * follow it. More than two calls of one moment differ by, and well within {@link ID_SLACK_MS}.
 */
const SET_BACK_MS = 30_000;

// Monotonic within the process, so that the deliveries of one batch keep their order.
let factory = newFactory();
let latest = 0;

/**
 * Returns the next ULID. Its time is never more than {@link SET_BACK_MS} ahead of `now`: ranges of ids stand
 * for ranges of time. Ids from before and after a step of the clock differ by their 80 random bits.
 */
function next(now: number): string {
  if (now < latest - SET_BACK_MS) {
    factory = newFactory();
    latest = now;
  }
  latest = Math.max(latest, now);
  return factory(now);
}

export function newEventId(now: number): EventId {
  return `evt_${next(now).toLowerCase()}` as EventId;
}

export function newDeliveryId(now: number): DeliveryId {
  return `dlv_${next(now).toLowerCase()}` as DeliveryId;
}

export function newAuditEntryId(now: number): AuditEntryId {
  return `aud_${next(now).toLowerCase()}` as AuditEntryId;
}

const TIME_CHARS = 10;

/** Returns the smallest id that a delivery created at this time can have. */
export function leastDeliveryId(at: number): DeliveryId {
  return `dlv_${encodeTime(Math.max(0, at), TIME_CHARS).toLowerCase()}` as DeliveryId;
}

/** Returns the smallest id that an event created at this time can have. */
export function leastEventId(at: number): EventId {
  return `evt_${encodeTime(Math.max(0, at), TIME_CHARS).toLowerCase()}` as EventId;
}

/** Returns the smallest id that an entry of this time in the audit log can have. */
export function leastAuditEntryId(at: number): AuditEntryId {
  return `aud_${encodeTime(Math.max(0, at), TIME_CHARS).toLowerCase()}` as AuditEntryId;
}

/**
 * How far an id's time may be ahead of its row's `created_at`: ids of one process go back only with a clock
 * that is set back by more than {@link SET_BACK_MS}.
 */
export const ID_SLACK_MS = MINUTE_MS;

/** The contracts give accounts, subscriptions, tokens, recoveries and erasures 32-bit numbers. */
export const CONTRACT_ID_MAX = 2 ** 31 - 1;

/**
 * Returns the id that the database assigned to a row which callers name by this id.
 *
 * @throws Error if no answer could carry the number; it rolls the caller's transaction back
 */
export function contractIdOf<Id extends number>(insertId: bigint | undefined): Id {
  const id = Number(insertId);
  if (id <= CONTRACT_ID_MAX) return id as Id;
  throw new Error(`number ${id} is past ${CONTRACT_ID_MAX}, the largest that the contracts have`);
}

export function sha256(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}
