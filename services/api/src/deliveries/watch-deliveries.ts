import { setTimeout as sleep } from "node:timers/promises";
import { type AccountId, MINUTE_MS, Refusal, type SubscriptionId } from "@posthaste/domain";
import {
  type ChangeCursor,
  currentCursor,
  type DeliveryChange,
  listChanges,
  orderChanges,
  type Store,
} from "@posthaste/store";

const POLL_EVERY_MS = 250;
/** An empty answer this often lets both sides notice a dead connection and keeps the cursor from expiring. */
const HEARTBEAT_MS = 15_000;
/** After this the client reconnects with its cursor, and its token is checked again. */
const STREAM_MAX_MS = 10 * MINUTE_MS;
const CHANGES_AT_ONCE = 500;
/** `Retry-After` if too many streams are open. */
const RETRY_AFTER_MS = 30_000;

export type Watch = (
  of: { accountId: AccountId; subscriptionId?: SubscriptionId; cursor: string },
  signal: AbortSignal,
) => AsyncGenerator<{ changes: DeliveryChange[]; cursor: string }>;

/**
 * Streams the changes of an account's deliveries, from a cursor on.
 *
 * @param watchesMax most open streams in this process
 * @throws Refusal if the cursor is unknown or too old, or if too many streams are open
 */
export function createWatch(store: Store, watchesMax: number): Watch {
  let open = 0;
  return async function* watch({ accountId, subscriptionId, cursor: from }, signal) {
    const current = await currentCursor(store);
    let cursor = from === "" ? current : cursorFrom(from, current);
    if (open >= watchesMax) {
      throw new Refusal("too_many", `${open} streams are open, the maximum; try again later`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    open += 1;
    try {
      const endAt = performance.now() + STREAM_MAX_MS;
      let sentAt = Number.NEGATIVE_INFINITY;
      while (!signal.aborted && performance.now() < endAt) {
        await orderChanges(store);
        const next = await listChanges(store, {
          accountId,
          after: cursor,
          limit: CHANGES_AT_ONCE,
          ...(subscriptionId === undefined ? {} : { subscriptionId }),
        });
        cursor = next.cursor;
        if (next.changes.length > 0 || performance.now() - sentAt >= HEARTBEAT_MS) {
          sentAt = performance.now();
          yield { changes: next.changes, cursor: cursorTo(cursor) };
        }
        if (next.changes.length < CHANGES_AT_ONCE) {
          await sleep(POLL_EVERY_MS, undefined, { signal }).catch(() => {
            // The client left or the server is stopping; the loop's condition ends the stream.
          });
        }
      }
    } finally {
      open -= 1;
    }
  };
}

function cursorTo({ batch, id }: ChangeCursor): string {
  return `${batch}.${id}`;
}

/** @param current the latest cursor; any later cursor is invalid */
function cursorFrom(text: string, current: ChangeCursor): ChangeCursor {
  const [, batch, id] = (/^(\d{1,16})\.(\d{1,16})$/.exec(text) ?? []).map(Number);
  if (batch === undefined || id === undefined || batch > current.batch || !Number.isSafeInteger(id)) {
    throw new Refusal("invalid", "cursor does not come from this server; start again without it", {
      field: "cursor",
    });
  }
  return { batch, id };
}
