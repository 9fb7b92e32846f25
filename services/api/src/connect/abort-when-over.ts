import type { ConnectRouter } from "@connectrpc/connect";
import { LINE, OVER } from "./call-values.ts";
import { wrapHandlers } from "./wrap-handlers.ts";

/**
 * Aborts a call when its request is over. Connect's own signal relies on an event that it listens for once
 * the call begins. If the caller has left by then, that event never comes, and the call would go on for
 * nobody.
 */
export function abortWhenOver(router: ConnectRouter): void {
  wrapHandlers(router, (handler) => (request) => {
    const { contextValues } = request;
    const line = contextValues?.get(LINE);
    if (line === undefined) throw new Error("this call has no log line");
    const over = new AbortController();
    line.whenOver(() => over.abort());
    contextValues?.set(OVER, over.signal);
    return handler({ ...request, signal: over.signal });
  });
}
