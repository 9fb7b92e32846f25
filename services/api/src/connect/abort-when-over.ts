import type { ConnectRouter } from "@connectrpc/connect";
import { LINE } from "./call-values.ts";

type Handler = ConnectRouter["handlers"][number];

/**
 * Aborts a call when its request is over. Connect's own signal relies on an event that it listens for once
 * the call begins. If the caller has left by then, that event never comes, and the call would go on for
 * nobody.
 */
export function abortWhenOver(router: ConnectRouter): void {
  router.handlers.forEach((handler, i) => {
    router.handlers[i] = Object.assign((request: Parameters<Handler>[0]) => {
      const line = request.contextValues?.get(LINE);
      if (line === undefined) throw new Error("this call has no log line");
      const over = new AbortController();
      line.whenOver(() => over.abort());
      return handler({ ...request, signal: over.signal });
    }, handler);
  });
}
