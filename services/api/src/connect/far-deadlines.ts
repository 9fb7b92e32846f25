import type { ConnectRouter } from "@connectrpc/connect";

type Handler = ConnectRouter["handlers"][number];

/** What a timer of Node's can wait, 24.8 days. It waits a millisecond where it is told more. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** gRPC's units, in milliseconds. The smaller ones never come to that much. */
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1 };

/**
 * Gives a call no deadline where its own is further away than a timer can wait, as callers write who want
 * none. Connect hands it to a timer as it is, which is over at once: whoever follows deliveries would be cut
 * off.
 */
export function forgetFarDeadlines(router: ConnectRouter): void {
  router.handlers.forEach((handler, i) => {
    router.handlers[i] = Object.assign((request: Parameters<Handler>[0]) => {
      const { header } = request;
      if (connectMs(header) > TIMER_MS_MAX) header.delete("connect-timeout-ms");
      if (grpcMs(header) > TIMER_MS_MAX) header.delete("grpc-timeout");
      return handler(request);
    }, handler);
  });
}

/** 0 where there is none, or none that Connect takes: it answers that itself. */
function connectMs(header: Headers): number {
  const [text = "0"] = /^\d{1,10}$/.exec(header.get("connect-timeout-ms") ?? "") ?? [];
  return Number(text);
}

function grpcMs(header: Headers): number {
  const [, count = "0", unit = "m"] = /^(\d{1,8})([HMSm])$/.exec(header.get("grpc-timeout") ?? "") ?? [];
  return Number(count) * (UNIT_MS[unit] ?? 1);
}
