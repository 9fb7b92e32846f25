import { createHash, randomFillSync } from "node:crypto";
import type { DeliveryId, EventId } from "@posthaste/domain";
import { encodeTime, monotonicFactory } from "ulid";

/** Drawn at once: the library asks for each of the 16 characters, and a system call for each would cost more than an insert. */
const random = new Uint8Array(4_096);
let drawn = random.length;

// Monotonic within the process, so that the deliveries of one batch keep its order.
const next = monotonicFactory(() => {
  if (drawn === random.length) {
    randomFillSync(random);
    drawn = 0;
  }
  return (random[drawn++] ?? 0) / 256;
});

export function newEventId(now: number): EventId {
  return `evt_${next(now).toLowerCase()}` as EventId;
}

export function newDeliveryId(now: number): DeliveryId {
  return `dlv_${next(now).toLowerCase()}` as DeliveryId;
}

const TIME_CHARS = 10;

/** The least id that a delivery made at this time may have. */
export function leastDeliveryId(at: number): DeliveryId {
  return `dlv_${encodeTime(Math.max(0, at), TIME_CHARS).toLowerCase()}` as DeliveryId;
}

/** The least id that an event made at this time may have. */
export function leastEventId(at: number): EventId {
  return `evt_${encodeTime(Math.max(0, at), TIME_CHARS).toLowerCase()}` as EventId;
}

/** Ids of one process never go back, so one may be ahead of its row's time where a clock was set back. */
export const ID_SLACK_MS = 60_000;

/** The contracts give accounts, subscriptions, tokens, recoveries and erasures numbers of 32 bits. */
export const CONTRACT_ID_MAX = 2 ** 31 - 1;

/**
 * The number that the database gave to a row that callers name by it.
 *
 * @throws Error for one that no answer could carry; it rolls the caller's transaction back
 */
export function contractIdOf<Id extends number>(insertId: bigint | undefined): Id {
  const id = Number(insertId);
  if (id <= CONTRACT_ID_MAX) return id as Id;
  throw new Error(`number ${id} is past ${CONTRACT_ID_MAX}, and the contracts have no larger ones`);
}

export function sha256(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}
