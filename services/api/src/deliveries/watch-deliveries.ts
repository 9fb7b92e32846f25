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

const LOOK_EVERY_MS = 250;
/** Told also where nothing happens, so that both sides see a dead connection, and the cursor does not grow old. */
const HEARTBEAT_MS = 15_000;
/** Then the client comes back with its cursor, and its token is looked at again. */
const STREAM_MAX_MS = 10 * 60_000;
const CHANGES_AT_ONCE = 500;
/** When there may be room again. */
const RETRY_AFTER_MS = 30_000;

export type Watch = (
  of: { accountId: AccountId; subscriptionId?: SubscriptionId; cursor: string },
  signal: AbortSignal,
) => AsyncGenerator<{ changes: DeliveryChange[]; cursor: string }>;

/**
 * Follows an account's deliveries from a cursor on.
 *
 * @param watchesMax streams open at once in this process
 * @throws Refusal for a cursor that nobody gave out or that is too old, or where too many follow already
 */
export function createWatch(store: Store, watchesMax: number): Watch {
  let open = 0;
  return async function* watch({ accountId, subscriptionId, cursor: from }, signal) {
    const current = await currentCursor(store);
    let cursor = from === "" ? current : cursorFrom(from, current);
    if (open >= watchesMax) {
      throw new Refusal("too_many", `${open} streams are open, as many as may be; try again later`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    open += 1;
    try {
      const endAt = performance.now() + STREAM_MAX_MS;
      let toldAt = Number.NEGATIVE_INFINITY;
      while (!signal.aborted && performance.now() < endAt) {
        await orderChanges(store);
        const next = await listChanges(store, {
          accountId,
          after: cursor,
          limit: CHANGES_AT_ONCE,
          ...(subscriptionId === undefined ? {} : { subscriptionId }),
        });
        cursor = next.cursor;
        if (next.changes.length > 0 || performance.now() - toldAt >= HEARTBEAT_MS) {
          toldAt = performance.now();
          yield { changes: next.changes, cursor: cursorTo(cursor) };
        }
        if (next.changes.length < CHANGES_AT_ONCE) {
          await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {
            // The client left, or the server stops: the loop's condition sees it.
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

/** @param current nothing beyond it was given out */
function cursorFrom(text: string, current: ChangeCursor): ChangeCursor {
  const [, batch, id] = (/^(\d{1,16})\.(\d{1,16})$/.exec(text) ?? []).map(Number);
  if (batch === undefined || id === undefined || batch > current.batch || !Number.isSafeInteger(id)) {
    throw new Refusal("invalid", "cursor is not one that this server gave out; start again without it", {
      field: "cursor",
    });
  }
  return { batch, id };
}
