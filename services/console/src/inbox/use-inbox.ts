import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { type Inbox, type InboxRequest, InboxService } from "@posthaste/contracts/inbox";
import { useEffect, useState } from "react";
import { transport } from "../api/transport.ts";
import { useVisible } from "../api/use-visible.ts";

const inboxes = createClient(InboxService, transport);
const PAUSE_MS = 1_000;
/** The number that the API keeps. */
const SHOWN_MAX = 30;

export type InboxView = {
  readonly inbox: Inbox | undefined;
  /** Newest first. */
  readonly requests: readonly InboxRequest[];
  /** Whether the inbox no longer exists: it expired, or the API restarted. */
  readonly isGone: boolean;
};

const NOTHING: InboxView = { inbox: undefined, requests: [], isGone: false };

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

async function follow(
  inboxId: string,
  show: (change: (view: InboxView) => InboxView) => void,
  signal: AbortSignal,
): Promise<void> {
  let after = 0n;
  while (!signal.aborted) {
    try {
      for await (const { inbox, requests } of inboxes.watchInbox({ inboxId, after }, { signal })) {
        after = requests.at(-1)?.number ?? after;
        show((view) => ({
          inbox,
          requests: [...[...requests].reverse(), ...view.requests].slice(0, SHOWN_MAX),
          isGone: false,
        }));
      }
    } catch (error) {
      if (signal.aborted) return;
      const { code } = ConnectError.from(error);
      if (code === Code.NotFound || code === Code.FailedPrecondition || code === Code.PermissionDenied) {
        return show((view) => ({ ...view, isGone: true }));
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
