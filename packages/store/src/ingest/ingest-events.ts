import { Refusal } from "@posthaste/domain";
import { Contended, Held } from "../database/contended.ts";
import type { Settled } from "../database/group-commit.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { insertDeliveries } from "../deliveries/new-deliveries.ts";
import { createComparing, type Uncompared } from "./compare-contents.ts";
import type { IngestCall, IngestedEvent } from "./ingest-call.ts";
import {
  beginPlan,
  hasHeldKey,
  type IngestPlan,
  type IngestRows,
  type Planned,
  planCall,
  TOO_WIDE,
  weightOf,
} from "./plan-ingest.ts";

export type IngestBounds = { readonly rowsMax: number; readonly callRowsMax: number };

/** For calls whose deliveries have a bound of their own. */
export const UNBOUNDED: IngestBounds = {
  rowsMax: Number.POSITIVE_INFINITY,
  callRowsMax: Number.POSITIVE_INFINITY,
};

/**
 * Stores events and a delivery for each matching subscription, in one transaction: all or none. Once this
 * resolves, the deliveries are owed. {@link createIngest} commits many concurrent calls together, and
 * compares contents as this does; see {@link createComparing}.
 *
 * @throws Refusal `already_exists` if a key was used with different content; the field names the event's
 *   index
 */
export async function ingestEvents(store: Store, ingest: IngestCall): Promise<IngestedEvent[]> {
  return await createComparing(store)(ingest, (call) =>
    transact(store, (tx) => ingestEventsIn(store, tx, call)),
  );
}

/** Ingests a call within a transaction; see {@link ingestEvents}. */
export async function ingestEventsIn(
  store: Store,
  tx: Tx,
  ingest: IngestCall,
): Promise<IngestedEvent[] | Uncompared> {
  const [settled] = await ingestCallsIn(store, tx, [ingest], UNBOUNDED);
  if (settled === undefined) throw new Error("the ingest call was not planned");
  if ("error" in settled) throw settled.error;
  if ("held" in settled) throw settled.held;
  if (settled.result === TOO_WIDE) throw new Error("an ingest call without a bound was too wide");
  return settled.result;
}

/**
 * Stores the events of several calls, each call all or none: a refused call stores nothing.
 *
 * Two transactions may insert the same idempotency key. The second then finds the key used, is rolled back,
 * and runs again with the first one's result in sight.
 *
 * A call that needs a row which another transaction holds (its account, or one of its keys) is settled as
 * held, and stores nothing.
 *
 * @param bounds.rowsMax rows, as {@link weightOf} counts them, after which further calls are left out
 * @param bounds.callRowsMax maximum rows of a call; one with more stores nothing, and its result is
 *   {@link TOO_WIDE}. One with contents to compare stores nothing, either: {@link Uncompared}
 * @param heldKeys the keys that earlier runs of the transaction found to be held. Default: none
 * @returns the result of each call, in their order
 */
export async function ingestCallsIn(
  store: Store,
  tx: Tx,
  calls: readonly IngestCall[],
  { rowsMax, callRowsMax }: IngestBounds,
  heldKeys = new Set<string>(),
): Promise<Settled<Planned>[]> {
  const plan = await beginPlan(store, tx, calls, heldKeys);
  const settled: Settled<Planned>[] = [];
  for (const call of calls) {
    if (settled.length > 0 && rowCount(plan) >= rowsMax) break;
    if (hasHeldKey(call, heldKeys)) {
      settled.push({ held: new Held("another transaction holds one of the call's idempotency keys") });
      continue;
    }
    try {
      settled.push({ result: await planCall(store, tx, plan, call, callRowsMax) });
    } catch (error) {
      if (error instanceof Held) settled.push({ held: error });
      else if (error instanceof Refusal) settled.push({ error });
      else throw error;
    }
  }
  await insertAll(store, tx, plan.rows);
  return settled;
}

/** Returns how many rows keep the other calls of a plan waiting. */
function rowCount({ rows, readInVain }: IngestPlan): number {
  return weightOf(rows) + readInVain;
}

async function insertAll(
  store: Store,
  tx: Tx,
  { events, eventKeys, deliveries, keys, fanouts }: IngestRows,
): Promise<void> {
  // Keys are inserted in one order everywhere, so that transactions that share several keys do not deadlock.
  keys.sort((a, b) => a.account_id - b.account_id || a.key_hash.compare(b.key_hash));
  try {
    await insertRows(tx, "idempotency_keys", keys);
  } catch (error) {
    if (store.seam.isDuplicate(error))
      throw new Contended("another transaction used an idempotency key first", { cause: error });
    throw error;
  }
  await insertRows(tx, "events", events, (row) => row.data.length);
  // In the order in which they lie, so that what is written is written side by side.
  eventKeys.sort((a, b) => a.account_id - b.account_id || a.value_hash.compare(b.value_hash));
  await insertRows(tx, "event_keys", eventKeys);
  await insertDeliveries(tx, deliveries, "ingested");
  await insertRows(tx, "fanouts", fanouts);
}
