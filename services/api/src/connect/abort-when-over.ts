import type { ConnectRouter } from "@connectrpc/connect";
import { createDeadlineSignal } from "@connectrpc/connect/protocol";
import { parseTimeout as parseConnect } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpc } from "@connectrpc/connect/protocol-grpc";
import { LINE, OVER } from "./call-values.ts";
import { compressFor } from "./compressions.ts";
import { TIMER_MS_MAX } from "./far-deadlines.ts";
import { wrapHandlers } from "./wrap-handlers.ts";

/**
 * Aborts a call when its request is over or its deadline passes, so that it waits nowhere for nobody.
 *
 * Connect's own signal relies on an event that it listens for once the call begins. If the caller has left by
 * then, that event never comes. And it is not there yet while the call's message is read, which may wait for
 * a turn of the event loop.
 */
export function abortWhenOver(router: ConnectRouter): void {
  wrapHandlers(router, (handler) => (request) => {
    const { contextValues } = request;
    const line = contextValues?.get(LINE);
    if (contextValues === undefined || line === undefined) throw new Error("this call has no log line");
    const over = new AbortController();
    const deadline = createDeadlineSignal(deadlineMs(request.header));
    line.whenOver(() => {
      deadline.cleanup();
      over.abort();
    });
    const signal = AbortSignal.any([over.signal, deadline.signal]);
    contextValues.set(OVER, signal);
    return compressFor(contextValues, () => handler({ ...request, signal }));
  });
}

/** Returns undefined for none, one that is too far for a timer, and one that Connect refuses. */
function deadlineMs(header: Headers): number | undefined {
  const isGrpc = /^application\/grpc/i.test(header.get("content-type") ?? "");
  const { timeoutMs, error } = isGrpc
    ? parseGrpc(header.get("grpc-timeout"), TIMER_MS_MAX)
    : parseConnect(header.get("connect-timeout-ms"), TIMER_MS_MAX);
  return error === undefined ? timeoutMs : undefined;
}
