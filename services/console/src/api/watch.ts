import { Code, createClient } from "@connectrpc/connect";
import { type DeliveryChange, DeliveryService } from "@posthaste/contracts/delivery";
import { codeOf, isRefusedToken } from "./errors.ts";
import { reachability, transport, waitFor } from "./transport.ts";

/** An empty list: any delivery may have changed. */
export type OnChanges = (changes: readonly DeliveryChange[]) => void;

/**
 * A stream of the account's deliveries, for all pages. After it breaks, the next one resumes at its cursor,
 * so that no change is missed. If the API cannot resume there, the next stream begins at the present, and
 * listeners get an empty list: any delivery may have changed.
 */
export type Watch = {
  isOpen(): boolean;
  /** Calls the listener when `isOpen` changes. */
  onOpen(listener: () => void): () => void;
  onChanges(listener: OnChanges): () => void;
  /** Keeps a stream open until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
};

/** The pause after a failed stream. It doubles with each failure, up to the maximum. */
const PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 30_000;

export function createWatch(): Watch {
  const deliveries = createClient(DeliveryService, transport);
  const openings = new Set<() => void>();
  const listeners = new Set<OnChanges>();
  let isOpen = false;
  let cursor = "";
  let hasGap = false;
  const setOpen = (open: boolean) => {
    if (open === isOpen) return;
    isOpen = open;
    for (const listener of [...openings]) listener();
  };
  let pauseMs = PAUSE_MS;
  const read = async (signal: AbortSignal) => {
    for await (const answer of deliveries.watchDeliveries({ cursor }, { signal })) {
      cursor = answer.cursor;
      pauseMs = PAUSE_MS;
      setOpen(true);
      const changes = hasGap ? [] : answer.changes;
      if (hasGap || changes.length > 0) for (const listener of [...listeners]) listener(changes);
      hasGap = false;
    }
  };
  return {
    isOpen: () => isOpen,
    onOpen: (listener) => added(openings, listener),
    onChanges: (listener) => added(listeners, listener),
    async run(signal) {
      while (!signal.aborted) {
        try {
          await read(signal);
        } catch (error) {
          setOpen(false);
          if (signal.aborted || codeOf(error) === Code.PermissionDenied) return;
          // The next call waits for the next session.
          if (isRefusedToken(error)) continue;
          // The API no longer has the changes since this cursor, or its database was restored to before it.
          if (codeOf(error) === Code.FailedPrecondition) {
            cursor = "";
            hasGap = true;
          }
          await waitFor(pauseMs, signal);
          await reachability.whenReached(signal);
          pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS);
        }
      }
      setOpen(false);
    },
  };
}

function added<T>(all: Set<T>, one: T): () => void {
  all.add(one);
  return () => void all.delete(one);
}
