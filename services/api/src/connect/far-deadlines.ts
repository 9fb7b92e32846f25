import type { ConnectRouter } from "@connectrpc/connect";
import { HOUR_MS, MINUTE_MS } from "@posthaste/domain";
import { wrapHandlers } from "./wrap-handlers.ts";

/** The longest delay of a Node timer, 24.8 days. A longer delay becomes one millisecond. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/** gRPC's units in milliseconds. Its smaller units cannot express a delay that long. */
const UNIT_MS: Readonly<Record<string, number>> = { H: HOUR_MS, M: MINUTE_MS, S: 1_000, m: 1 };

/**
 * Removes a call's deadline if it is further away than a timer can wait; callers send such deadlines to mean
 * none. Connect passes the deadline to a timer unchanged, and the timer would end the call, such as a stream
 * of delivery changes, at once.
 */
export function forgetFarDeadlines(router: ConnectRouter): void {
  wrapHandlers(router, (handler) => (request) => {
    const { header } = request;
    if (connectMs(header) > TIMER_MS_MAX) header.delete("connect-timeout-ms");
    if (grpcMs(header) > TIMER_MS_MAX) header.delete("grpc-timeout");
    return handler(request);
  });
}

/** Returns 0 if the header is missing or malformed; Connect itself answers a malformed header. */
function connectMs(header: Headers): number {
  const [text = "0"] = /^\d{1,10}$/.exec(header.get("connect-timeout-ms") ?? "") ?? [];
  return Number(text);
}

function grpcMs(header: Headers): number {
  const [, count = "0", unit = "m"] = /^(\d{1,8})([HMSm])$/.exec(header.get("grpc-timeout") ?? "") ?? [];
  return Number(count) * (UNIT_MS[unit] ?? 1);
}
