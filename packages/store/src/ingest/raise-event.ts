import type { AccountId, OperationalSnapshots } from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import { ingestEventsIn } from "./ingest-events.ts";

/**
 * Deliveries created in this transaction. The worker's upkeep creates the others, if an account subscribes
 * more URLs to an operational event.
 */
const DELIVERIES_AT_ONCE = 100;

/** An operational event, which Posthaste itself sends to an account. */
export type Raised = {
  readonly [K in keyof OperationalSnapshots]: { readonly type: K; readonly data: OperationalSnapshots[K] };
}[keyof OperationalSnapshots];

/**
 * Stores an operational event and its deliveries, within the transaction that causes it. It holds the
 * subscription that the event is about.
 */
export async function raiseEvent(
  store: Store,
  tx: Tx,
  { accountId, event, now }: { accountId: AccountId; event: Raised; now: number },
): Promise<void> {
  const data = Buffer.from(JSON.stringify(event.data));
  await ingestEventsIn(store, tx, {
    accountId,
    now,
    deliveriesMax: DELIVERIES_AT_ONCE,
    holdsSubscription: true,
    events: [{ eventType: event.type, data, idempotencyKey: null }],
  });
}
