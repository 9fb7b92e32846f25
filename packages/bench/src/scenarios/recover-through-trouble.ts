import { type Recovery, RecoveryState } from "@posthaste/contracts/delivery";
import type { SubscriptionId } from "@posthaste/domain";
import type { Stack } from "@posthaste/stack";
import { type Receiver, startReceiver, timesIn, until } from "@posthaste/testkit";

/** Events per ingest call. */
const BATCH = 500;
const POLL_EVERY_MS = 200;
/** Allows for ten deliveries per second, which is slower than the slowest rate measured. */
const PATIENCE_MS_PER_DELIVERY = 100;
const PATIENCE_MIN_MS = 120_000;

/** The outcome of a recovery. */
export type RecoveryResult = {
  readonly deliveries: number;
  /** Events without a new delivery, or whose new delivery did not succeed. */
  readonly missed: number;
  /** Events with more than one new delivery. */
  readonly twice: number;
  /** Requests beyond the first for an event: an attempt that the kill cuts off is repeated. */
  readonly repeatedRequests: number;
  /** Deliveries created while the recovery was paused. */
  readonly madeWhilePaused: number;
  readonly seconds: number;
};

/**
 * Recovers `count` failed deliveries. Kills a worker after a third of them and restarts it, pauses the
 * recovery half-way and resumes it, then checks every event.
 */
export async function recoverThroughTrouble(stack: Stack, count: number): Promise<RecoveryResult> {
  const withinMs = Math.max(PATIENCE_MIN_MS, count * PATIENCE_MS_PER_DELIVERY);
  const moving = { withinMs, everyMs: POLL_EVERY_MS };
  const receiver = await startReceiver();
  try {
    const subscriptionId = await stack.subscribe(receiver.url);
    const since = { seconds: BigInt(Math.floor(Date.now() / 1_000) - 1) };
    const events = await failedEvents(stack, subscriptionId, count);
    const begun = performance.now();
    const { recovery } = await stack.client.deliveries.recoverDeliveries({
      subscriptionId,
      since,
      ratePerSecond: Math.max(1, Math.min(1_000, Math.round(count / 10))),
    });
    const id = recovery?.id ?? 0;
    await until(async () => (await recoveryOf(stack, id)).made >= count / 3, moving);
    const [worker] = stack.workers;
    await worker?.kill();
    await worker?.start();
    await until(async () => (await recoveryOf(stack, id)).made >= count / 2, moving);
    const paused = await stack.client.deliveries.pauseRecovery({ id });
    await until(async () => receiver.requests.length >= Number(paused.recovery?.made ?? 0), moving);
    const madeWhilePaused = Number((await recoveryOf(stack, id)).made - (paused.recovery?.made ?? 0n));
    await stack.client.deliveries.resumeRecovery({ id });
    await until(async () => (await recoveryOf(stack, id)).state === RecoveryState.COMPLETED, moving);
    await until(async () => (await open(stack, subscriptionId)) === 0, moving);
    const seconds = (performance.now() - begun) / 1_000;
    return { ...(await outcome(stack, subscriptionId, events, receiver)), madeWhilePaused, seconds };
  } finally {
    await receiver.stop();
  }
}

/** Creates events whose deliveries are exhausted, as an outage would leave them. Returns the event ids. */
async function failedEvents(
  stack: Stack,
  subscriptionId: SubscriptionId,
  count: number,
): Promise<Set<string>> {
  await stack.client.subscriptions.pauseSubscription({ id: subscriptionId });
  const ids = new Set<string>();
  while (ids.size < count) {
    const { results } = await stack.client.events.ingestEvents({
      events: Array.from({ length: Math.min(BATCH, count - ids.size) }, () => ({
        eventType: "invoice_sent",
        snapshot: { case: "dataJson" as const, value: `{"InvoiceNumber":"INV-${ids.size}"}` },
      })),
    });
    for (const { eventId } of results) ids.add(eventId);
  }
  // A test cannot wait for 34 hours of failing attempts. The recovery reads only their result.
  await stack.store.db
    .updateTable("deliveries")
    .set({
      state: "exhausted",
      ...timesIn("exhausted", Date.now()),
      attempts: 14,
      last_outcome: "refused",
      ended_at: Date.now(),
    })
    .where("subscription_id", "=", subscriptionId)
    .execute();
  await stack.client.subscriptions.resumeSubscription({ id: subscriptionId });
  return ids;
}

async function outcome(
  stack: Stack,
  subscriptionId: SubscriptionId,
  events: ReadonlySet<string>,
  receiver: Receiver,
): Promise<Pick<RecoveryResult, "deliveries" | "missed" | "twice" | "repeatedRequests">> {
  const rows = await stack.store.db
    .selectFrom("deliveries")
    .select(["event_id", "state"])
    .where("subscription_id", "=", subscriptionId)
    .where("state", "!=", "exhausted")
    .execute();
  const statesByEvent = new Map<string, string[]>();
  for (const row of rows) {
    statesByEvent.set(row.event_id, [...(statesByEvent.get(row.event_id) ?? []), row.state]);
  }
  const got = receiver.requests.map((request) => request.headers["webhook-id"] ?? "");
  const arrived = new Set(got);
  return {
    deliveries: events.size,
    missed: [...events].filter((id) => statesByEvent.get(id)?.[0] !== "succeeded" || !arrived.has(id)).length,
    twice: [...statesByEvent.values()].filter((states) => states.length > 1).length,
    repeatedRequests: got.length - arrived.size,
  };
}

async function recoveryOf(stack: Stack, id: number): Promise<Recovery> {
  const { recovery } = await stack.client.deliveries.getRecovery({ id });
  if (recovery === undefined) throw new Error(`recovery ${id} was not found`);
  return recovery;
}

async function open(stack: Stack, subscriptionId: SubscriptionId): Promise<number> {
  const { count } = await stack.store.db
    .selectFrom("deliveries")
    .select((eb) => eb.fn.countAll().as("count"))
    .where("subscription_id", "=", subscriptionId)
    .where("state", "in", ["pending", "started", "parked"])
    .executeTakeFirstOrThrow();
  return Number(count);
}
