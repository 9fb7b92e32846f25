import { SubscriptionState } from "@posthaste/contracts/subscription";
import type { SubscriptionId } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";

/** The tests take about a minute; the limit is for a busy machine. */
const PATIENCE = { timeout: 400_000, interval: 100 };
const TIMEOUT_MS = 500_000;

let stack: Stack;
let receiver: Receiver;
beforeAll(async () => {
  stack = await startStack({ workers: 2, env: { POSTHASTE_DRAIN_PER_SECOND: "1000" } });
});
afterAll(() => stack.dispose());
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.stop());

const ingest = async (from: number, count: number) => {
  await stack.client.events.ingestEvents({
    events: Array.from({ length: count }, (_, i) => ({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson" as const, value: `{"n":${from + i}}` },
    })),
  });
};
const subscribe = async (more: object = {}) => {
  const { subscription } = await stack.client.subscriptions.createSubscription({
    targetUrl: receiver.url,
    eventTypes: ["invoice_sent"],
    ...more,
  });
  if (subscription === undefined) throw new Error("there is no subscription");
  return subscription.id as SubscriptionId;
};
/**
 * Waits until all first attempts of a subscription have ended, because a retry request ignores one in flight.
 */
const attempted = (subscriptionId: number, count: number) =>
  vi.waitFor(async () => {
    const { deliveries } = await stack.client.deliveries.listDeliveries({ subscriptionId, pageSize: 100 });
    expect(deliveries.map(({ attempts }) => attempts)).toEqual(Array.from({ length: count }, () => 1));
    return deliveries;
  }, PATIENCE);
const numbers = () => receiver.requests.map((request) => JSON.parse(request.body.toString())[0].n as number);
const end = (id: number) => stack.client.subscriptions.deleteSubscription({ id });

/** Five times the deliveries that a drain unparks at once, so it must continue by itself several times. */
const PARKED = 160;

test(
  "the events of a disabled subscription are parked, and all are delivered in order after it resumes",
  async () => {
    const id = await subscribe();
    // The rules for disabling are tested elsewhere; this test is about what follows.
    await stack.store.db
      .updateTable("subscriptions")
      .set({ state: "disabled" })
      .where("id", "=", id)
      .execute();
    await ingest(0, PARKED / 2);
    await ingest(PARKED / 2, PARKED / 2);
    const health = await stack.client.subscriptions.getSubscriptionHealth({ id });
    expect(health).toMatchObject({ parked: PARKED, pending: 0 });
    expect(receiver.requests).toHaveLength(0);
    // Every fiftieth first attempt fails. Its retry is due in ten minutes, and later deliveries do not wait
    // for it.
    receiver.answer((_request, n) => ({ kind: "status", status: n % 50 === 0 ? 500 : 200 }));
    await stack.client.subscriptions.resumeSubscription({ id });
    await ingest(PARKED, 5);
    await vi.waitFor(() => expect(receiver.requests.length).toBe(PARKED + 5), PATIENCE);
    expect(numbers()).toEqual(Array.from({ length: PARKED + 5 }, (_, i) => i));
    await vi.waitFor(async () => {
      const { subscription } = await stack.client.subscriptions.getSubscription({ id });
      expect(subscription).toMatchObject({ state: SubscriptionState.ACTIVE, draining: false });
    }, PATIENCE);
    await end(id);
  },
  TIMEOUT_MS,
);

test(
  "two workers together keep a limit of 10 per second and its burst, over first attempts and retries",
  async () => {
    const [perSecond, burst] = [10, 5];
    const id = await subscribe({ rateLimit: { perSecond, burst } });
    const tooSoon: string[] = [];
    /*
     * From the start until any moment, no more requests may arrive than the rate and its burst allow. The
     * test does not count within single seconds, because a worker that is delayed between its turn and its
     * POST sends late and then faster. The store's tests check the distance between turns without a clock.
     */
    const checkRate = (sinceAt: number, from: number) => {
      for (const [n, { receivedAt }] of receiver.requests.slice(from).entries()) {
        const earliest = ((n - burst) / perSecond) * 1_000;
        if (receivedAt - sinceAt < earliest)
          tooSoon.push(`${from + n} after ${receivedAt - sinceAt} ms, not ${earliest}`);
      }
    };
    receiver.answer((request) => ({
      kind: "status",
      status: request.headers["webhook-attempt"] === "1" ? 500 : 200,
    }));
    const startedAt = Date.now();
    await ingest(0, 40);
    const deliveries = await attempted(id, 40);
    expect(receiver.requests).toHaveLength(40);
    checkRate(startedAt, 0);
    // All retries become due at once, as after an outage, while new events arrive.
    const retriedAt = Date.now();
    await Promise.all([
      ingest(40, 10),
      ...deliveries.map((delivery) => stack.client.deliveries.retryDelivery({ id: delivery.id })),
    ]);
    await vi.waitFor(() => expect(new Set(numbers()).size).toBe(50), PATIENCE);
    await vi.waitFor(() => expect(receiver.requests.length).toBe(90), PATIENCE);
    checkRate(retriedAt, 40);
    expect(tooSoon).toEqual([]);
    // Each failed delivery was retried once, and no attempt was spent on waiting.
    const attempts = receiver.requests.map((request) => request.headers["webhook-attempt"]);
    expect(attempts.filter((attempt) => attempt === "1")).toHaveLength(50);
    expect(attempts.filter((attempt) => attempt === "2")).toHaveLength(40);
    await end(id);
  },
  TIMEOUT_MS,
);

test(
  "two workers together keep a concurrency of 3, over first attempts and retries",
  async () => {
    const id = await subscribe({ concurrency: 3 });
    let most = 0;
    let inFlight = 0;
    receiver.answer(async (request) => {
      // Counts a request until it is answered. Its connection may stay open longer.
      inFlight += 1;
      most = Math.max(most, inFlight);
      await new Promise((resolve) => setTimeout(resolve, 50));
      inFlight -= 1;
      return { kind: "status", status: request.headers["webhook-attempt"] === "1" ? 500 : 200 };
    });
    await ingest(0, 30);
    const deliveries = await attempted(id, 30);
    await Promise.all([
      ingest(30, 10),
      ...deliveries.map((delivery) => stack.client.deliveries.retryDelivery({ id: delivery.id })),
    ]);
    await vi.waitFor(() => expect(receiver.requests.length).toBe(70), PATIENCE);
    expect(most).toBeLessThanOrEqual(3);
    expect(most).toBeGreaterThan(1);
    await end(id);
  },
  TIMEOUT_MS,
);
