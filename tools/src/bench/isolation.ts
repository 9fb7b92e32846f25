import { setTimeout as sleep } from "node:timers/promises";
import { connectTemporal, startDelivery } from "@posthaste/delivery/client";
import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import type { Stack } from "../stack/stack.ts";

/** Deliveries to healthy endpoints, five a second: a load that leaves the machine room. */
const PROBES = 200;
const PROBE_EVERY_MS = 200;
/** Events of one ingest call. */
const BATCH = 500;
const STARTS_AT_ONCE = 16;
/** Workflows started and replayed in a second at least, with everything on two cores. */
const STARTS_PER_SECOND = 20;
const ARRIVAL_WITHIN_MS = 120_000;

/** How long healthy deliveries took from ingest to their receiver. */
export type IsolationRow = {
  readonly when: string;
  readonly deliveries: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the p99 to the quiet one. */
  readonly ratio: string;
};

/**
 * Measures what healthy endpoints notice of one that hangs: with so many first attempts to it pending, and again when so
 * many retries to it come due at once.
 */
export async function measureIsolation(stack: Stack, count: number): Promise<IsolationRow[]> {
  const healthy = await startReceiver();
  const hanging = await startReceiver();
  hanging.answer({ kind: "hang" });
  try {
    await stack.subscribe(healthy.url, "contact_created");
    await probe(stack, healthy, 30);
    const quiet = await probe(stack, healthy);
    const rows: IsolationRow[] = [rowOf("quiet", quiet, quiet)];

    const pendingTo = await stack.subscribe(`${hanging.url}pending`, "invoice_sent");
    await ingest(stack, "invoice_sent", count);
    rows.push(rowOf(`${count} pending to one that hangs`, await probe(stack, healthy), quiet));
    await stack.client.subscriptions.deleteSubscription({ id: pendingTo });
    await calm(stack);

    const dueAt = await retriesDueAtOnce(stack, `${hanging.url}due`, count);
    await sleep(Math.max(0, dueAt - Date.now()));
    rows.push(rowOf(`${count} retries to it come due`, await probe(stack, healthy), quiet));
    return rows;
  } finally {
    await healthy.stop();
    await hanging.stop();
  }
}

/** Milliseconds from each ingest to its arrival, sorted. */
async function probe(stack: Stack, receiver: Receiver, count = PROBES): Promise<number[]> {
  const sentAt = new Map<string, number>();
  const from = receiver.requests.length;
  const begun = Date.now();
  for (let i = 0; i < count; i++) {
    await sleep(Math.max(0, begun + i * PROBE_EVERY_MS - Date.now()));
    const at = Date.now();
    const { eventId } = await stack.client.events.ingestEvent({
      eventType: "contact_created",
      snapshot: { case: "dataJson", value: "{}" },
    });
    sentAt.set(eventId, at);
  }
  const arrived = await receiver.waitFor(from + count, {
    timeoutMs: ARRIVAL_WITHIN_MS,
  });
  return arrived
    .slice(from)
    .map((request) => request.receivedAt - (sentAt.get(request.headers["webhook-id"] ?? "") ?? Number.NaN))
    .sort((a, b) => a - b);
}

/** Deliveries whose first attempt failed and whose workflows wait for one moment. @returns that moment */
async function retriesDueAtOnce(stack: Stack, targetUrl: string, count: number): Promise<number> {
  const { db } = stack.store;
  const subscriptionId = (await stack.subscribe(targetUrl, "invoice_sent")) as SubscriptionId;
  await stack.client.subscriptions.pauseSubscription({ id: subscriptionId });
  await ingest(stack, "invoice_sent", count);
  const dueAt = Date.now() + (count / STARTS_PER_SECOND) * 1_000;
  // As an outage leaves them; what is measured is what follows.
  await db
    .updateTable("deliveries")
    .set({
      state: "started",
      attempts: 1,
      last_outcome: "timeout",
      next_attempt_at: dueAt,
      reconcile_after: dueAt + 120_000,
    })
    .where("subscription_id", "=", subscriptionId)
    .execute();
  await db
    .updateTable("subscriptions")
    .set({ state: "active", draining: 0 })
    .where("id", "=", subscriptionId)
    .execute();
  const rows = await db
    .selectFrom("deliveries")
    .select(["id", "event_id"])
    .where("subscription_id", "=", subscriptionId)
    .execute();
  const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
  const queue = rows.values();
  const starter = async () => {
    for (const { id, event_id } of queue) {
      await startDelivery(client, {
        deliveryId: id as DeliveryId,
        accountId: stack.accountId as AccountId,
        subscriptionId,
        eventId: event_id as EventId,
        eventType: "invoice_sent",
        targetUrl,
      });
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, starter));
  await client.connection.close();
  if (Date.now() > dueAt)
    throw new Error("the machine is too slow: the retries came due before all were started");
  return dueAt;
}

async function ingest(stack: Stack, eventType: string, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += BATCH) {
    await stack.client.events.ingestEvents({
      events: Array.from({ length: Math.min(BATCH, count - sent) }, () => ({
        eventType,
        snapshot: { case: "dataJson" as const, value: "{}" },
      })),
    });
  }
}

/** Waits until what was cancelled has left Temporal's queues. */
async function calm(stack: Stack): Promise<void> {
  const endAt = Date.now() + ARRIVAL_WITHIN_MS;
  while (Date.now() < endAt) {
    const row = await stack.store.db
      .selectFrom("deliveries")
      .select("id")
      .where("in_flight_of", "is not", null)
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return;
    await sleep(500);
  }
}

function rowOf(when: string, sorted: readonly number[], quiet: readonly number[]): IsolationRow {
  const at = (times: readonly number[], share: number) =>
    times[Math.ceil(share * times.length) - 1] ?? Number.NaN;
  return {
    when,
    deliveries: sorted.length,
    p50Ms: at(sorted, 0.5),
    p99Ms: at(sorted, 0.99),
    ratio: (at(sorted, 0.99) / at(quiet, 0.99)).toFixed(2),
  };
}
