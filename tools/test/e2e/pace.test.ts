import { SubscriptionState } from "@posthaste/contracts/subscription";
import type { SubscriptionId } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";

/** A minute's work, on a machine that has much else to do. */
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
/** All of a subscription, once their first attempts are over: of one under way a retry changes nothing. */
const attempted = (subscriptionId: number, count: number) =>
  vi.waitFor(async () => {
    const { deliveries } = await stack.client.deliveries.listDeliveries({ subscriptionId, pageSize: 100 });
    expect(deliveries.map(({ attempts }) => attempts)).toEqual(Array.from({ length: count }, () => 1));
    return deliveries;
  }, PATIENCE);
const numbers = () => receiver.requests.map((request) => JSON.parse(request.body.toString())[0].n as number);
const end = (id: number) => stack.client.subscriptions.deleteSubscription({ id });

/** Five times what a drain has ahead of it: it has to go on by itself, again and again. */
const PARKED = 160;

test(
  "events that come while a subscription is disabled: all parked, all delivered after resuming, first attempts in order",
  async () => {
    const id = await subscribe();
    // What disables it is tested where it is decided; here it matters what follows.
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
    // One in fifty fails at first: its retry is in ten minutes, and those behind it do not wait for it.
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
  "10 a second and the burst are not exceeded by two workers, over first attempts and retries",
  async () => {
    const [perSecond, burst] = [10, 5];
    const id = await subscribe({ rateLimit: { perSecond, burst } });
    const tooSoon: string[] = [];
    /*
     * Since a beginning no more may have come than the rate and its burst let through. Counted like this, and
     * not within any one second: a worker that is held up between its turn and its POST sends late, and what
     * it sends then comes closer together. That each turn has its distance from the last is held in the
     * store's tests, without a clock.
     */
    const holdToRate = (beganAt: number, from: number) => {
      for (const [n, { receivedAt }] of receiver.requests.slice(from).entries()) {
        const earliest = ((n - burst) / perSecond) * 1_000;
        if (receivedAt - beganAt < earliest)
          tooSoon.push(`${from + n} after ${receivedAt - beganAt} ms, not ${earliest}`);
      }
    };
    receiver.answer((request) => ({
      kind: "status",
      status: request.headers["webhook-attempt"] === "1" ? 500 : 200,
    }));
    const beganAt = Date.now();
    await ingest(0, 40);
    const deliveries = await attempted(id, 40);
    expect(receiver.requests).toHaveLength(40);
    holdToRate(beganAt, 0);
    // Every retry comes due at once, as after an outage, while new events come in.
    const beganAgainAt = Date.now();
    await Promise.all([
      ingest(40, 10),
      ...deliveries.map((delivery) => stack.client.deliveries.retryDelivery({ id: delivery.id })),
    ]);
    await vi.waitFor(() => expect(new Set(numbers()).size).toBe(50), PATIENCE);
    await vi.waitFor(() => expect(receiver.requests.length).toBe(90), PATIENCE);
    holdToRate(beganAgainAt, 40);
    expect(tooSoon).toEqual([]);
    // Nobody was sent more than once in vain, and no attempt was spent on waiting.
    const attempts = receiver.requests.map((request) => request.headers["webhook-attempt"]);
    expect(attempts.filter((attempt) => attempt === "1")).toHaveLength(50);
    expect(attempts.filter((attempt) => attempt === "2")).toHaveLength(40);
    await end(id);
  },
  TIMEOUT_MS,
);

test(
  "a concurrency of 3 holds for two workers together, for first attempts and retries",
  async () => {
    const id = await subscribe({ concurrency: 3 });
    let most = 0;
    let underWay = 0;
    receiver.answer(async (request) => {
      // Until it is answered; how long its connection is open then is the systems' affair.
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setTimeout(resolve, 50));
      underWay -= 1;
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
