import type { AttemptContext } from "@posthaste/store";

/** Sent as `user-agent`; a test holds it against the package's version. */
export const USER_AGENT = "Posthaste/0.1.0";

const ARRAY_OPEN = Buffer.from("[");
const ARRAY_CLOSE = Buffer.from("]");

/** The body: a JSON array with exactly one item, the snapshot byte for byte as it was ingested. */
export function webhookBody(data: Uint8Array): Uint8Array {
  return Buffer.concat([ARRAY_OPEN, data, ARRAY_CLOSE]);
}

/**
 * The headers of one attempt. `webhook-id` is the event's id, the same on every attempt, so receivers can drop
 * repetitions by it.
 */
export function webhookHeaders(
  context: AttemptContext,
  number: number,
  nowMs: number,
): Record<string, string> {
  const { delivery, event, subscription } = context;
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "*/*",
    "user-agent": USER_AGENT,
    "webhook-id": event.id,
    "webhook-timestamp": String(Math.floor(nowMs / 1000)),
    "webhook-event": event.type,
    "webhook-delivery": delivery.id,
    "webhook-attempt": String(number),
  };
  if (subscription.secret !== null) {
    headers["authorization"] = `Basic ${Buffer.from(subscription.secret, "utf8").toString("base64")}`;
  }
  return headers;
}
