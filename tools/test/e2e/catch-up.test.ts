import { DeliveryState, RecoveryState } from "@posthaste/contracts/delivery";
import { type Stack, startStack } from "@posthaste/stack";
import { setLane } from "@posthaste/store";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

/*
 * Tests that one call catches up after an outage: everything that waits for its retry is sent now, once.
 */

const PATIENCE = { timeout: 90_000, interval: 200 };
const FAILED_EACH = 100;

let stack: Stack;
const askedFor = new Set<string>();
beforeAll(async () => {
  stack = await startStack({ workers: 2 });
});
afterAll(() => endStack(stack, askedFor));

const { STARTED, SUCCEEDED } = DeliveryState;

/** Lists the deliveries of some subscriptions. */
async function deliveriesOf(subscriptionIds: readonly number[]) {
  const { deliveries } = stack.client;
  const lists = subscriptionIds.map((subscriptionId) =>
    deliveries.listDeliveries({ subscriptionId, pageSize: 500 }),
  );
  return (await Promise.all(lists)).flatMap((list) => list.deliveries);
}

/** Starts a recovery of what waits for its retry, and waits until it has completed. */
async function sendWhatWaits(over: { subscriptionId?: number; dryRun?: boolean } = {}) {
  const { deliveries } = stack.client;
  const { recovery } = await deliveries.recoverDeliveries({
    ...{ states: [STARTED], since: { seconds: 0n }, ratePerSecond: 1_000 },
    ...over,
  });
  return await vi.waitFor(async () => {
    const now = (await deliveries.getRecovery({ id: recovery?.id ?? 0 })).recovery;
    expect(now?.state).toBe(RecoveryState.COMPLETED);
    return now;
  }, PATIENCE);
}

test.each([
  ["workflow", "contact_created"],
  ["direct", "contact_updated"],
] as const)(
  "an outage of 200 deliveries to two receivers, mended, ends with one call in the %s lane, and none is sent twice",
  async (lane, eventType) => {
    await setLane(stack.store, { id: stack.accountId, lane, now: Date.now() });
    const receivers: Receiver[] = [await startReceiver(), await startReceiver()];
    try {
      for (const receiver of receivers) receiver.answer({ kind: "status", status: 503 });
      const subscriptionIds: number[] = [];
      for (const { url } of receivers) subscriptionIds.push(await stack.subscribe(url, eventType));
      const events = Array.from({ length: FAILED_EACH }, (_, n) => ({
        eventType,
        snapshot: { case: "dataJson" as const, value: `{"n":${n}}` },
      }));
      await stack.client.events.ingestEvents({ events });
      await vi.waitFor(async () => {
        const waiting = (await deliveriesOf(subscriptionIds)).filter(
          ({ state, attempts }) => state === STARTED && attempts === 1,
        );
        expect(waiting).toHaveLength(2 * FAILED_EACH);
      }, PATIENCE);
      for (const { id } of await deliveriesOf(subscriptionIds)) askedFor.add(id);

      for (const receiver of receivers) receiver.answer({ kind: "status", status: 200 });
      expect(await sendWhatWaits({ dryRun: true })).toMatchObject({ made: 200n, leftOut: 0n });
      expect(await sendWhatWaits()).toMatchObject({ made: 200n, leftOut: 0n });
      const after = await vi.waitFor(async () => {
        const ended = await deliveriesOf(subscriptionIds);
        expect(ended.filter(({ state }) => state === SUCCEEDED)).toHaveLength(2 * FAILED_EACH);
        return ended;
      }, PATIENCE);
      expect(after.every(({ attempts }) => attempts === 2)).toBe(true);
      for (const { requests } of receivers) {
        expect(requests).toHaveLength(2 * FAILED_EACH);
        const accepted = requests.slice(FAILED_EACH).map(({ headers }) => headers["webhook-id"]);
        expect(new Set(accepted).size).toBe(FAILED_EACH);
      }
    } finally {
      await Promise.all(receivers.map((receiver) => receiver.stop()));
    }
  },
  300_000,
);

test("of a paused subscription resumes it and sends at once what waited for a later retry", async () => {
  const receiver = await startReceiver();
  try {
    receiver.answer({ kind: "status", status: 500 });
    const id = await stack.subscribe(receiver.url, "invoice_sent");
    await stack.client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: "{}" },
    });
    await vi.waitFor(async () => {
      expect(await deliveriesOf([id])).toMatchObject([{ state: STARTED, attempts: 1 }]);
    }, PATIENCE);
    for (const delivery of await deliveriesOf([id])) askedFor.add(delivery.id);
    await stack.client.subscriptions.pauseSubscription({ id });
    receiver.answer({ kind: "status", status: 200 });
    expect(await sendWhatWaits({ subscriptionId: id })).toMatchObject({ made: 1n });
    await vi.waitFor(async () => {
      expect(await deliveriesOf([id])).toMatchObject([{ state: SUCCEEDED, attempts: 2 }]);
    }, PATIENCE);
  } finally {
    await receiver.stop();
  }
}, 120_000);

test("while Temporal is away is stored, and is made up for once it is back", async () => {
  const receiver = await startReceiver();
  try {
    receiver.answer({ kind: "status", status: 500 });
    const id = await stack.subscribe(receiver.url, "invoice_updated");
    const events = Array.from({ length: 5 }, () => ({
      eventType: "invoice_updated",
      snapshot: { case: "dataJson" as const, value: "{}" },
    }));
    await stack.client.events.ingestEvents({ events });
    await vi.waitFor(async () => {
      const waiting = (await deliveriesOf([id])).filter(({ attempts }) => attempts === 1);
      expect(waiting).toHaveLength(5);
    }, PATIENCE);
    for (const delivery of await deliveriesOf([id])) askedFor.add(delivery.id);
    receiver.answer({ kind: "status", status: 200 });
    await stack.temporal.kill();
    const { recovery } = await stack.client.deliveries.recoverDeliveries({
      ...{ states: [STARTED], since: { seconds: 0n }, subscriptionId: id },
    });
    await stack.temporal.start();
    await vi.waitFor(async () => {
      const now = (await stack.client.deliveries.getRecovery({ id: recovery?.id ?? 0 })).recovery;
      expect(now).toMatchObject({ state: RecoveryState.COMPLETED, made: 5n });
      expect((await deliveriesOf([id])).map(({ state }) => state)).toEqual(Array(5).fill(SUCCEEDED));
    }, PATIENCE);
    expect(receiver.requests).toHaveLength(10);
  } finally {
    await receiver.stop();
  }
}, 200_000);
