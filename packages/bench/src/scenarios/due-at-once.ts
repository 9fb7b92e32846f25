import { connectTemporal, namesOf, startDelivery } from "@posthaste/delivery/client";
import type { Stack } from "@posthaste/stack";
import { timesIn } from "@posthaste/testkit";
import { ingestMany } from "./traffic.ts";

const STARTS_AT_ONCE = 16;
/** A lower bound of the workflows started and replayed per second, with everything on two cores. */
const STARTS_PER_SECOND = 20;
/** The minimum lead time, for a small number of deliveries. */
const AHEAD_MIN_MS = 5_000;
/** How long after the due time the reconciler may check the deliveries: longer than the measurement takes. */
const RECONCILE_AFTER_MS = 120_000;

/**
 * Creates deliveries whose first attempt has failed and whose workflows wait for the same moment.
 *
 * @returns that moment, in epoch milliseconds
 * @throws Error if the moment comes before all workflows are started
 */
export async function retriesDueAtOnce(
  stack: Stack,
  targetUrl: string,
  eventType: string,
  count: number,
): Promise<number> {
  const { db } = stack.store;
  const subscriptionId = await stack.subscribe(targetUrl, eventType);
  await stack.client.subscriptions.pauseSubscription({ id: subscriptionId });
  await ingestMany(stack, eventType, count);
  const dueAt = Date.now() + AHEAD_MIN_MS + (count / STARTS_PER_SECOND) * 1_000;
  // The rows as an outage leaves them. The measurement covers only what follows.
  await db
    .updateTable("deliveries")
    .set({
      state: "started",
      ...timesIn("started", dueAt),
      attempts: 1,
      last_outcome: "timeout",
      reconcile_after: dueAt + RECONCILE_AFTER_MS,
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
  const temporal = { client, names: namesOf(stack.installation) };
  const queue = rows.values();
  const starter = async () => {
    for (const { id, event_id } of queue) {
      await startDelivery(temporal, {
        deliveryId: id,
        accountId: stack.accountId,
        subscriptionId,
        eventId: event_id,
        eventType,
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
