import { Code, createClient } from "@connectrpc/connect";
import { type Inbox, type InboxRequest, InboxService } from "@posthaste/contracts/inbox";
import { useEffect, useState } from "react";
import { codeOf, isRefusedToken } from "../api/errors.ts";
import { reachability, transport, waitFor } from "../api/transport.ts";
import { useVisible } from "../api/use-visible.ts";

const inboxes = createClient(InboxService, transport);
/** The pause after a failed stream. It doubles with each failure, up to the maximum. */
const PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 30_000;
/** The number that the API keeps. */
const SHOWN_MAX = 30;

export type InboxView = {
  readonly inbox: Inbox | undefined;
  /** Newest first. */
  readonly requests: readonly InboxRequest[];
  /** Whether requests appear as they arrive. */
  readonly isLive: boolean;
  /** Whether the inbox no longer exists: it expired, or the API restarted. */
  readonly isGone: boolean;
  /** Why it cannot be watched; undefined if it can. */
  readonly error: unknown;
};

type Change = (view: InboxView) => InboxView;

const NOTHING: InboxView = {
  ...{ inbox: undefined, requests: [], isLive: false, isGone: false, error: undefined },
};

/** Watches an inbox while this tab is visible. */
export function useInbox(id: string | null): InboxView {
  const [view, setView] = useState(NOTHING);
  const isVisible = useVisible();
  useEffect(() => {
    if (!isVisible) return;
    setView(NOTHING);
    if (id === null) return;
    const stop = new AbortController();
    void follow(id, setView, stop.signal);
    return () => stop.abort();
  }, [id, isVisible]);
  return view;
}

async function follow(inboxId: string, show: (change: Change) => void, signal: AbortSignal): Promise<void> {
  let after = 0n;
  let pauseMs = PAUSE_MS;
  while (!signal.aborted) {
    try {
      for await (const { inbox, requests } of inboxes.watchInbox({ inboxId, after }, { signal })) {
        after = requests.at(-1)?.number ?? after;
        pauseMs = PAUSE_MS;
        show((view) => ({
          ...{ inbox, isLive: true, isGone: false, error: undefined },
          requests: [...[...requests].reverse(), ...view.requests].slice(0, SHOWN_MAX),
        }));
      }
    } catch (error) {
      if (signal.aborted) return;
      show((view) => ({ ...view, isLive: false }));
      // The next call waits for the next session.
      if (isRefusedToken(error)) continue;
      if (codeOf(error) === Code.NotFound) return show((view) => ({ ...view, isGone: true }));
      if (isFinal(codeOf(error))) return show((view) => ({ ...view, error }));
      await waitFor(pauseMs, signal);
      await reachability.whenReached(signal);
      pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS);
    }
  }
}

/** Inboxes are turned off, or the token may not read them: asking again does not help. */
function isFinal(code: Code): boolean {
  return code === Code.FailedPrecondition || code === Code.PermissionDenied || code === Code.InvalidArgument;
}
