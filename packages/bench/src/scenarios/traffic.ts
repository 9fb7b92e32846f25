import { randomUUID } from "node:crypto";
import { MINUTE_MS } from "@posthaste/domain";
import type { Stack } from "@posthaste/stack";
import { until } from "@posthaste/testkit";

/** Gives the event an ordinary size. */
const PADDING = "x".repeat(500);
/** Events per ingest call, if the call itself is not measured. */
const BATCH = 500;
const CALLS_AT_ONCE = 8;
/** Longer than any scenario needs to finish its deliveries. */
const SETTLED_WITHIN_MS = MINUTE_MS;

/** The path of a single ingest over JSON. */
export const INGEST_PATH = "/posthaste.v1.EventIngestService/IngestEvent";

export const dataJson = JSON.stringify({ InvoiceNumber: "INV-1", Notes: PADDING });

/** Returns an event for an ingest call. Its new idempotency key makes the call safe to repeat. */
export function eventOf(eventType: string) {
  return {
    eventType,
    snapshot: { case: "dataJson" as const, value: dataJson },
    idempotencyKey: randomUUID(),
  };
}

/** Returns such an event as the JSON body of a plain HTTP call. */
export function eventBody(eventType: string): string {
  return JSON.stringify({ eventType, dataJson, idempotencyKey: randomUUID() });
}

/** Sends `count` events as fast as possible, in batches. */
export async function ingestMany(stack: Stack, eventType: string, count: number): Promise<void> {
  const sizes = Array.from({ length: Math.ceil(count / BATCH) }, (_, i) =>
    Math.min(BATCH, count - i * BATCH),
  ).values();
  const caller = async () => {
    for (const size of sizes) {
      await stack.client.events.ingestEvents({
        events: Array.from({ length: size }, () => eventOf(eventType)),
      });
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, caller));
}

/** Creates a subscription to the event type for each target. Returns the ids, in no order. */
export async function subscribeMany(
  stack: Stack,
  eventType: string,
  targets: readonly string[],
): Promise<number[]> {
  const ids: number[] = [];
  const queue = targets.values();
  const caller = async () => {
    for (const target of queue) ids.push(await stack.subscribe(target, eventType));
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, caller));
  return ids;
}

/** Waits until no first attempt is in flight or due. */
export async function settled(stack: Stack, withinMs = SETTLED_WITHIN_MS): Promise<void> {
  await until(async () => !(await hasUnfinished(stack)), { withinMs });
}

async function hasUnfinished({ store: { db } }: Stack): Promise<boolean> {
  const pending = db.selectFrom("deliveries").select("id").where("state", "=", "pending").limit(1);
  const inFlight = db.selectFrom("deliveries").select("id").where("in_flight_of", "is not", null).limit(1);
  return (
    (await pending.executeTakeFirst()) !== undefined || (await inFlight.executeTakeFirst()) !== undefined
  );
}
