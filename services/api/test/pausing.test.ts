import { Code } from "@connectrpc/connect";
import { DeliveryState } from "@posthaste/contracts/delivery";
import { SubscriptionState } from "@posthaste/contracts/subscription";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const subscribe = async (more: object = {}) => {
  const { subscription } = await t.client.subscriptions.createSubscription({
    targetUrl: "https://receiver.example/x",
    eventTypes: ["invoice_sent"],
    ...more,
  });
  if (subscription === undefined) throw new Error("the answer holds no subscription");
  return subscription;
};
const ingest = () =>
  t.client.events.ingestEvent({ eventType: "invoice_sent", snapshot: { case: "dataJson", value: "{}" } });
const states = async () =>
  (await t.client.deliveries.listDeliveries({})).deliveries.map((delivery) => delivery.state);

test("a paused subscription's deliveries are parked; resuming it nudges the workers to drain them", async () => {
  const { id } = await subscribe();
  const paused = await t.client.subscriptions.pauseSubscription({ id });
  expect(paused.subscription).toMatchObject({ state: SubscriptionState.PAUSED, draining: false });
  await ingest();
  expect(await states()).toEqual([DeliveryState.PARKED]);
  const nudges = t.nudges();
  const resumed = await t.client.subscriptions.resumeSubscription({ id });
  expect(resumed.subscription).toMatchObject({ state: SubscriptionState.ACTIVE, draining: true });
  expect(t.nudges()).toBe(nudges + 1);
  await ingest();
  expect(await states()).toEqual([DeliveryState.PARKED, DeliveryState.PARKED]);
});

test("pausing and resuming are idempotent, and refused for an ended subscription", async () => {
  const { id } = await subscribe();
  await t.client.subscriptions.pauseSubscription({ id });
  await t.client.subscriptions.pauseSubscription({ id });
  await t.client.subscriptions.resumeSubscription({ id });
  const again = await t.client.subscriptions.resumeSubscription({ id });
  expect(again.subscription?.state).toBe(SubscriptionState.ACTIVE);
  await t.client.subscriptions.deleteSubscription({ id });
  await expect(t.client.subscriptions.pauseSubscription({ id })).rejects.toMatchObject({
    code: Code.FailedPrecondition,
  });
});

test("a rate limit and a concurrency are stored, changed separately, and removed", async () => {
  const created = await subscribe({ rateLimit: { perSecond: 2.5 }, concurrency: 7 });
  expect(created).toMatchObject({ rateLimit: { perSecond: 2.5, burst: 3 }, concurrency: 7 });
  const { id } = created;
  const faster = await t.client.subscriptions.updateSubscription({
    id,
    rateLimit: { perSecond: 10, burst: 20 },
  });
  expect(faster.subscription).toMatchObject({ rateLimit: { perSecond: 10, burst: 20 }, concurrency: 7 });
  const unlimited = await t.client.subscriptions.updateSubscription({
    id,
    rateLimit: { perSecond: 0 },
    concurrency: 0,
  });
  expect(unlimited.subscription).toMatchObject({ concurrency: 0 });
  expect(unlimited.subscription?.rateLimit).toBeUndefined();
});

test.each([
  [{ perSecond: 0.001 }, "per_second must be at least 0.01"],
  [{ perSecond: 1001 }, "per_second"],
  [{ perSecond: Number.NaN }, "per_second"],
  [{ perSecond: 1, burst: -1 }, "burst"],
])("the rate limit %o is refused", async (rateLimit, message) => {
  await expect(subscribe({ rateLimit })).rejects.toThrow(message);
});

test("the health of a subscription without attempts is empty", async () => {
  const { id } = await subscribe();
  await ingest();
  const health = await t.client.subscriptions.getSubscriptionHealth({ id });
  expect(health).toMatchObject({ attempts: 0, accepted: 0, pending: 1, parked: 0, buckets: [] });
  expect(health.bucket).toBeUndefined();
  expect(health.p50).toBeUndefined();
  expect(health.nextAttemptAt).toBeUndefined();
});

test.each(["delivery_exhausted", "subscription_disabled"])(
  "%s may be subscribed to, but not ingested by callers",
  async (eventType) => {
    await subscribe({ eventTypes: [eventType] });
    await expect(
      t.client.events.ingestEvent({ eventType, snapshot: { case: "dataJson", value: "{}" } }),
    ).rejects.toThrow("sent by Posthaste itself");
  },
);

test("a test event may be one of Posthaste's own event types", async () => {
  const { id } = await subscribe({ eventTypes: ["subscription_disabled"] });
  const { delivery } = await t.client.subscriptions.sendTestEvent({ subscriptionId: id });
  expect(delivery).toMatchObject({ eventType: "subscription_disabled", test: true });
});
