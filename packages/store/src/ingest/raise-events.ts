import {
  type AccountId,
  OPERATIONAL_EVENT_TYPES,
  type OperationalSnapshots,
  readKeyValues,
} from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import type { EventToIngest } from "./ingest-call.ts";
import { ingestCallsIn, UNBOUNDED } from "./ingest-events.ts";
import { hashesOf } from "./key-hashes.ts";

/** Deliveries of one event created in its transaction. The worker's upkeep creates the others. */
const DELIVERIES_OF_ONE = 100;
/**
 * Deliveries of all events of a transaction, about 30 ms of writing: the attempts of other accounts wait to
 * be recorded. A hundred deliveries that are exhausted at once, each with a hundred receivers of the event,
 * would be 10,000.
 */
const DELIVERIES_AT_ONCE = 500;

/** An operational event, which Posthaste itself sends to an account. */
export type Raised = {
  readonly [K in keyof OperationalSnapshots]: { readonly type: K; readonly data: OperationalSnapshots[K] };
}[keyof OperationalSnapshots];

export type RaisedFor = { readonly accountId: AccountId; readonly event: Raised; readonly now: number };

/**
 * Stores operational events and their first deliveries, within the transaction that causes them. It holds the
 * subscriptions that the events are about. An event that has more receivers goes on as a fan-out, which is
 * stored with it.
 */
export async function raiseEvents(store: Store, tx: Tx, raised: readonly RaisedFor[]): Promise<void> {
  if (raised.length === 0) return;
  const deliveriesMax = Math.min(DELIVERIES_OF_ONE, Math.floor(DELIVERIES_AT_ONCE / raised.length));
  const calls = raised.map(({ accountId, event: { type: eventType, data }, now }) => ({
    ...{ accountId, now, deliveriesMax, holdsSubscription: true },
    events: [toIngest(accountId, eventType, JSON.stringify(data))],
  }));
  for (const settled of await ingestCallsIn(store, tx, calls, UNBOUNDED)) {
    if ("error" in settled) throw settled.error;
    if ("held" in settled) throw settled.held;
  }
}

const KEYS = new Map(OPERATIONAL_EVENT_TYPES.map(({ code, keys }) => [code, keys]));

function toIngest(accountId: AccountId, eventType: string, json: string): EventToIngest {
  // None of these keys is sensitive.
  const keyHashes = hashesOf(accountId, readKeyValues(json, KEYS.get(eventType) ?? []));
  return { eventType, data: Buffer.from(json), idempotencyKey: null, keyHashes };
}
