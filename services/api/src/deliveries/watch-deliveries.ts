import { setTimeout as sleep } from "node:timers/promises";
import { type AccountId, Refusal, type SubscriptionId } from "@posthaste/domain";
import {
  type ChangeCursor,
  currentCursor,
  type DeliveryChange,
  listChanges,
  orderChanges,
  type Store,
} from "@posthaste/store";
import type { CostlyReads } from "../access/costly-reads.ts";
import { STREAM_HEARTBEAT_MS, STREAM_MAX_MS } from "../access/stream-gate.ts";

const POLL_EVERY_MS = 250;
const CHANGES_AT_ONCE = 500;

/** The dependencies of {@link watchDeliveries}. */
type WatchParts = {
  readonly store: Store;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly costlyReads: CostlyReads;
};

type Watched = {
  readonly accountId: AccountId;
  /** The account in whose turns the reads wait. */
  readonly chargedTo: AccountId;
  readonly subscriptionId?: SubscriptionId;
  readonly cursor: string;
};

/**
 * Streams the changes of an account's deliveries, from a cursor on. Empty answers keep the cursor from
 * expiring.
 *
 * @throws Refusal if the cursor is malformed, too old or ahead of the database
 */
export async function* watchDeliveries(
  { store, now, costlyReads }: WatchParts,
  { accountId, chargedTo, subscriptionId, cursor: from }: Watched,
  signal: AbortSignal,
): AsyncGenerator<{ changes: DeliveryChange[]; cursor: string }> {
  let cursor = from === "" ? await currentCursor(store) : cursorFrom(from);
  const endAt = performance.now() + STREAM_MAX_MS;
  let sentAt = Number.NEGATIVE_INFINITY;
  const readNext = () =>
    listChanges(store, {
      accountId,
      after: cursor,
      limit: CHANGES_AT_ONCE,
      ...(subscriptionId === undefined ? {} : { subscriptionId }),
    });
  while (!signal.aborted && performance.now() < endAt) {
    await orderChanges(store, now());
    const next = await costlyReads.run(chargedTo, readNext, signal);
    if (next === undefined) return;
    cursor = next.cursor;
    if (next.changes.length > 0 || performance.now() - sentAt >= STREAM_HEARTBEAT_MS) {
      sentAt = performance.now();
      yield { changes: next.changes, cursor: cursorTo(cursor) };
    }
    if (!next.goesOn) {
      await sleep(POLL_EVERY_MS, undefined, { signal }).catch(() => {
        // The client left or the server is stopping; the loop's condition ends the stream.
      });
    }
  }
}

function cursorTo({ batch, id }: ChangeCursor): string {
  return `${batch}.${id}`;
}

function cursorFrom(text: string): ChangeCursor {
  const [, batch, id] = (/^(\d{1,16})\.(\d{1,16})$/.exec(text) ?? []).map(Number);
  if (batch === undefined || id === undefined || !Number.isSafeInteger(Math.max(batch, id))) {
    throw new Refusal("invalid", "cursor does not come from this server; start again without it", {
      reason: "PAGE_TOKEN_INVALID",
      field: "cursor",
    });
  }
  return { batch, id };
}
