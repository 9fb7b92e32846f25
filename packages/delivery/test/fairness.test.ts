import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { type DeliverySetup, setupDelivery } from "@posthaste/testkit/delivery";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startDelivery } from "../src/client/index.ts";

/*
 * In which order a server with the settings of our development servers hands out a backlog. No worker runs:
 * the test polls the task queue itself.
 */

const BACKLOG = 100;
/** One line: with several partitions, it would be left to chance which of them is polled how often. */
const ONE_PARTITION = {
  "matching.numTaskqueueReadPartitions": "1",
  "matching.numTaskqueueWritePartitions": "1",
};
/** A poll on a server that is slow to hand a task out. */
const POLL_MS = 20_000;

let t: DeliverySetup;
beforeEach(async () => {
  t = await setupDelivery("dev-server", ONE_PARTITION);
});
afterEach(() => t.dispose());

const start = async (accountId: number, n: number) =>
  await startDelivery(t.temporal, {
    deliveryId: `dlv_${accountId}_${n}` as DeliveryId,
    accountId: accountId as AccountId,
    // Each is for another subscription: many subscriptions give an account no more turns.
    subscriptionId: (accountId * 1_000 + n) as SubscriptionId,
    eventId: "evt_a" as EventId,
    eventType: "invoice_sent",
    targetUrl: "https://a.example/",
  });

/** Returns the id of the workflow that is handed out next. */
async function nextHandedOut(): Promise<string> {
  const { client, names } = t.temporal;
  const { workflowExecution } = await client.withDeadline(Date.now() + POLL_MS, () =>
    client.workflowService.pollWorkflowTaskQueue({
      namespace: t.env.namespace ?? "default",
      taskQueue: { name: names.taskQueue },
      identity: "test",
    }),
  );
  return workflowExecution?.workflowId ?? "";
}

test("an account's task waits for few of another's, however many wait and for whatever subscriptions", async () => {
  await Promise.all(Array.from({ length: BACKLOG }, (_, n) => start(1, n)));
  await start(2, 0);
  const handedOut: string[] = [];
  for (let n = 0; n < BACKLOG / 2; n++) handedOut.push(await nextHandedOut());
  // First in first out, it would come last.
  expect(handedOut).toContain(t.temporal.names.delivery("dlv_2_0" as DeliveryId));
});
