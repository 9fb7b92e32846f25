import type { Delivery } from "@posthaste/contracts/delivery";
import { deliveryStatus } from "../parts/delivery-status.ts";
import { whole } from "../parts/numbers.ts";

/** Says how many deliveries are in which state, the most frequent first: `3 succeeded, 1 retrying`. */
export function sumUp(deliveries: readonly Pick<Delivery, "state" | "attempts" | "test">[]): string {
  const counts = new Map<string, number>();
  for (const delivery of deliveries) {
    const name = deliveryStatus(delivery).name.toLowerCase();
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, one], [, other]) => other - one);
  return sorted.length === 0 ? "none" : sorted.map(([name, count]) => `${whole(count)} ${name}`).join(", ");
}

/** `00-<trace id>-<span id>-<flags>`: https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^[0-9a-f]{2}-(?<traceId>[0-9a-f]{32})-[0-9a-f]{16}-/;

/** Returns the trace that an ingest call belonged to. Undefined: it was not traced. */
export function traceIdOf(traceparent: string): string | undefined {
  return TRACEPARENT.exec(traceparent)?.groups?.["traceId"];
}
