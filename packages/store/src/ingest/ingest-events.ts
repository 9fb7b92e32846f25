import { type AccountId, type EventId, Refusal } from "@posthaste/domain";
import type { Settled } from "../database/group-commit.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Store } from "../database/store.ts";
import { Contended, type Tx, transact } from "../database/transact.ts";
import { insertDeliveries } from "../deliveries/new-deliveries.ts";
import { beginPlan, type IngestRows, planCall } from "./plan-ingest.ts";

export type EventToIngest = {
  readonly eventType: string;
  /** The snapshot's bytes, which receivers get: JSON. */
  readonly data: Uint8Array;
  readonly idempotencyKey: string | null;
};

export type IngestedEvent = {
  readonly eventId: EventId;
  readonly deliveryCount: number;
  /** The key was used before with the same content; nothing new was stored. */
  readonly duplicate: boolean;
};

export type IngestCall = {
  readonly accountId: AccountId;
  readonly events: readonly EventToIngest[];
  /** Deliveries made in this call at most; what is beyond is left to {@link continueFanout}. */
  readonly deliveriesMax: number;
  readonly now: number;
  /** Of the call, by W3C Trace Context. Default: none. */
  readonly traceparent?: string | undefined;
};

/**
 * Stores events and a delivery row for each matching subscription, in one transaction: all of it, or none. Once this
 * resolves, the deliveries are owed. Who has many such calls at once has {@link createIngest} commit them together.
 *
 * @throws Refusal `already_exists` where a key was used with other content; the field names the event's index
 */
export async function ingestEvents(store: Store, ingest: IngestCall): Promise<IngestedEvent[]> {
  return await transact(store, (tx) => ingestEventsIn(store, tx, ingest));
}

/** The same within a transaction. */
export async function ingestEventsIn(store: Store, tx: Tx, ingest: IngestCall): Promise<IngestedEvent[]> {
  const [settled] = await ingestCallsIn(store, tx, [ingest], Number.POSITIVE_INFINITY);
  if (settled === undefined) throw new Error("a call was not planned");
  if ("error" in settled) throw settled.error;
  return settled.result;
}

/**
 * Stores what several calls bring, each all or none: those that are refused leave nothing of theirs.
 *
 * Two transactions with one idempotency key may meet: the second to commit finds the key taken, is rolled back, and has
 * to run again, now seeing the first's result.
 *
 * @param rowsMax rows inserted at most, but for the first call's; calls beyond are left out
 * @returns what each came to, in their order
 */
export async function ingestCallsIn(
  store: Store,
  tx: Tx,
  calls: readonly IngestCall[],
  rowsMax: number,
): Promise<Settled<IngestedEvent[]>[]> {
  const plan = await beginPlan(tx, calls);
  const settled: Settled<IngestedEvent[]>[] = [];
  for (const call of calls) {
    if (settled.length > 0 && rowCount(plan.rows) >= rowsMax) break;
    try {
      settled.push({ result: await planCall(tx, plan, call) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      settled.push({ error });
    }
  }
  await insertAll(store, tx, plan.rows);
  return settled;
}

function rowCount({ events, deliveries }: IngestRows): number {
  return events.length + deliveries.length;
}

async function insertAll(
  store: Store,
  tx: Tx,
  { events, deliveries, keys, fanouts }: IngestRows,
): Promise<void> {
  // In one order everywhere: transactions that meet on several keys wait for each other, and not each for the other.
  keys.sort((a, b) => a.account_id - b.account_id || a.key_hash.compare(b.key_hash));
  try {
    await insertRows(tx, "idempotency_keys", keys);
  } catch (error) {
    if (store.seam.isDuplicate(error))
      throw new Contended("an idempotency key was taken meanwhile", { cause: error });
    throw error;
  }
  await insertRows(tx, "events", events, (row) => row.data.length);
  await insertDeliveries(tx, deliveries, "ingested");
  await insertRows(tx, "fanouts", fanouts);
}
