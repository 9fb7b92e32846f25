import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { type DeliveryChange, DeliveryService } from "@posthaste/contracts/delivery";
import { useEffect, useRef, useState } from "react";
import { transport } from "./transport.ts";
import { useVisible } from "./use-visible.ts";

const deliveries = createClient(DeliveryService, transport);
/** The pause after a failed stream. It doubles with each failure, up to the maximum. */
const PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 30_000;

/**
 * Watches the account's deliveries while this tab is visible. After a stream ends, the next one resumes at
 * its cursor, so that no change is missed. If the API cannot resume there, the next stream begins at the
 * present, and `onChanges` gets an empty list: any delivery may have changed.
 *
 * @returns whether a stream is open
 */
export function useWatch(onChanges: (changes: readonly DeliveryChange[]) => void): boolean {
  const [isLive, setLive] = useState(false);
  const isVisible = useVisible();
  const position = useRef({ cursor: "", hasGap: false });
  const latest = useRef(onChanges);
  latest.current = onChanges;
  useEffect(() => {
    if (!isVisible) return;
    const stop = new AbortController();
    void follow(
      position.current,
      (changes) => latest.current(changes),
      (live) => {
        if (!stop.signal.aborted) setLive(live);
      },
      stop.signal,
    );
    return () => {
      stop.abort();
      setLive(false);
    };
  }, [isVisible]);
  return isLive;
}

async function follow(
  position: { cursor: string; hasGap: boolean },
  onChanges: (changes: readonly DeliveryChange[]) => void,
  onLive: (isLive: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = PAUSE_MS;
  while (!signal.aborted) {
    try {
      for await (const answer of deliveries.watchDeliveries({ cursor: position.cursor }, { signal })) {
        position.cursor = answer.cursor;
        pauseMs = PAUSE_MS;
        onLive(true);
        if (position.hasGap) onChanges([]);
        else if (answer.changes.length > 0) onChanges(answer.changes);
        position.hasGap = false;
      }
    } catch (error) {
      if (signal.aborted) return;
      const { code } = ConnectError.from(error);
      if (code === Code.PermissionDenied || code === Code.Unauthenticated) return onLive(false);
      // The API no longer has the changes since this cursor, or its database was restored to before it.
      if (code === Code.FailedPrecondition) {
        position.cursor = "";
        position.hasGap = true;
      }
      onLive(false);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS);
    }
  }
}
