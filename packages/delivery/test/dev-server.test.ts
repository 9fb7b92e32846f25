import type { DeliveryId } from "@posthaste/domain";
import { getDelivery, listAttempts, requestRetry } from "@posthaste/store";
import { type DeliverySetup, type Started, setupDelivery } from "@posthaste/testkit/delivery";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { inspectDelivery, retryNow, startDelivery, workflowIdOf } from "../src/client/index.ts";

const MINUTE_MS = 60_000;
/** How long to wait for something that takes about a second. */
const PATIENCE = { timeout: 20_000, interval: 50 };

let t: DeliverySetup;
beforeEach(async () => {
  t = await setupDelivery("dev-server");
  await t.startWorker();
});
afterEach(() => t.dispose());

const row = (started: Started) => getDelivery(t.store, { accountId: t.accountId, id: started.deliveryId });
const attemptsMade = async (started: Started, count: number) =>
  await vi.waitFor(async () => {
    const delivery = await row(started);
    expect(delivery?.attempts).toBe(count);
    return delivery;
  }, PATIENCE);
const waiting = async (started: Started) =>
  await vi.waitFor(async () => {
    const standing = await inspectDelivery(t.env.client, started.deliveryId);
    if (standing.kind !== "running" || standing.nextAttemptAt === undefined)
      throw new Error(`is ${standing.kind}`);
    return standing.nextAttemptAt;
  }, PATIENCE);
const retry = async (started: Started) => {
  await requestRetry(t.store, { accountId: t.accountId, id: started.deliveryId, now: Date.now() });
  return await retryNow(t.env.client, started.deliveryId);
};
const handle = (id: DeliveryId) => t.env.client.workflow.getHandle(workflowIdOf(id));

describe("retry now, on the real server", () => {
  test("in each of the first waits the next request comes, is numbered next, and the wait after it is the schedule's", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    for (const [number, minutes] of [
      [1, 10],
      [2, 30],
      [3, 90],
      [4, 190],
      [5, 190],
    ] as const) {
      const delivery = await attemptsMade(started, number);
      const nextAt = await waiting(started);
      const last = (
        await listAttempts(t.store, { accountId: t.accountId, deliveryId: started.deliveryId })
      )?.at(-1);
      expect(last?.number).toBe(number);
      expect(Math.abs(nextAt - (last?.startedAt ?? 0) - minutes * MINUTE_MS)).toBeLessThan(5_000);
      expect(Math.abs(nextAt - (delivery?.nextAttemptAt ?? 0))).toBeLessThan(5_000);
      if (number < 5) expect(await retry(started)).toBe(true);
    }
    expect(t.receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual([
      "1",
      "2",
      "3",
      "4",
      "5",
    ]);
  });

  test("a double click makes one attempt", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await Promise.all([retry(started), retry(started), retry(started)]);
    await attemptsMade(started, 2);
    const nextAt = await waiting(started);
    expect(nextAt - Date.now()).toBeGreaterThan(25 * MINUTE_MS);
    expect(t.receiver.requests).toHaveLength(2);
  });

  test("a crash between its two calls leaves a pause that says whose it is, and the second call alone completes it", async () => {
    t.receiver.answer((_request, n) => ({ kind: "status", status: n === 1 ? 500 : 200 }));
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await t.env.client.workflowService.pauseActivity({
      namespace: "default",
      execution: { workflowId: workflowIdOf(started.deliveryId) },
      type: "attemptDelivery",
      reason: "posthaste: retry now",
    });
    expect(await inspectDelivery(t.env.client, started.deliveryId)).toEqual({
      kind: "paused",
      by: "retry_now",
    });
    expect(await retry(started)).toBe(true);
    await attemptsMade(started, 2);
    expect((await row(started))?.state).toBe("succeeded");
  });

  test("a pause by an operator is told apart from ours", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await t.env.client.workflowService.pauseActivity({
      namespace: "default",
      execution: { workflowId: workflowIdOf(started.deliveryId) },
      type: "attemptDelivery",
      reason: "looking into it",
    });
    expect(await inspectDelivery(t.env.client, started.deliveryId)).toEqual({
      kind: "paused",
      by: "operator",
    });
  });

  test("during an attempt it is harmless: that attempt counts, and the wait after it is the schedule's", async () => {
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    t.receiver.answer(async () => {
      await held;
      return { kind: "status", status: 500 };
    });
    const started = await t.deliver();
    await t.receiver.waitFor(1, { timeoutMs: 20_000 });
    await retry(started);
    letGo();
    await attemptsMade(started, 1);
    expect((await waiting(started)) - Date.now()).toBeGreaterThan(9 * MINUTE_MS);
    expect(t.receiver.requests).toHaveLength(1);
  });

  test("where no workflow is, it says so", async () => {
    expect(await retryNow(t.env.client, "dlv_none" as DeliveryId)).toBe(false);
  });
});

describe("a workflow that is gone", () => {
  test("replays the log without a request and waits out what is left of the schedule", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await retry(started);
    await attemptsMade(started, 2);
    await waiting(started);
    await handle(started.deliveryId).terminate("as if it had vanished");
    expect(await inspectDelivery(t.env.client, started.deliveryId)).toEqual({ kind: "ended_by_hand" });
    // Time passes: of the 30 minutes, 7 are left.
    const dueAt = Date.now() + 7 * MINUTE_MS;
    await t.store.db.updateTable("deliveries").set({ next_attempt_at: dueAt }).execute();

    await startDelivery(t.env.client, { ...started, eventType: "invoice_sent", targetUrl: t.receiver.url });
    await vi.waitFor(
      async () => expect(Math.abs((await waiting(started)) - dueAt)).toBeLessThan(5_000),
      PATIENCE,
    );
    expect(t.receiver.requests).toHaveLength(2);

    await retry(started);
    await attemptsMade(started, 3);
    expect((await waiting(started)) - Date.now()).toBeGreaterThan(85 * MINUTE_MS);
    expect(t.receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(["1", "2", "3"]);
  });

  test("started again after the delivery has ended, makes no request", async () => {
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await handle(started.deliveryId).result();
    await startDelivery(t.env.client, { ...started, eventType: "invoice_sent", targetUrl: t.receiver.url });
    await expect(handle(started.deliveryId).result()).resolves.toMatchObject({
      state: "succeeded",
      attempts: 1,
    });
    expect(t.receiver.requests).toHaveLength(1);
  });

  test("never existed: the standing says gone", async () => {
    expect(await inspectDelivery(t.env.client, "dlv_none" as DeliveryId)).toEqual({ kind: "gone" });
  });
});
