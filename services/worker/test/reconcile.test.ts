import {
  inspectDelivery,
  namesOf,
  RETRY_NOW_REASON,
  retryNow,
  startDelivery,
  unpause,
} from "@posthaste/delivery/client";
import { DAY_MS } from "@posthaste/domain";
import {
  claimDeliveries,
  drainSubscription,
  getDelivery,
  markStarted,
  parkDelivery,
  pauseSubscription,
  renewInstallation,
  requestRetry,
  resumeSubscription,
} from "@posthaste/store";
import { type DeliverySetup, type Started, startSharedTemporal } from "@posthaste/testkit/delivery";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createReconcileRound } from "../src/loops/reconcile.ts";

const PATIENCE = { timeout: 20_000, interval: 50 };
/** Later than any retry is due. */

let server: Awaited<ReturnType<typeof startSharedTemporal>>;
let t: DeliverySetup;
beforeAll(async () => {
  server = await startSharedTemporal();
});
afterAll(() => server.stop());
beforeEach(async () => {
  t = await server.setupDelivery();
  await t.startWorker();
});
afterEach(() => t.dispose());

const row = (started: Started) => getDelivery(t.store, { accountId: t.accountId, id: started.deliveryId });
const handle = (started: Started) =>
  t.env.client.workflow.getHandle(t.temporal.names.delivery(started.deliveryId));
const attemptsMade = (started: Started, count: number) =>
  vi.waitFor(async () => expect((await row(started))?.attempts).toBe(count), PATIENCE);
const waiting = (started: Started, temporal = t.temporal) =>
  vi.waitFor(async () => {
    const workflow = await inspectDelivery(temporal, started.deliveryId);
    expect(workflow).toMatchObject({ kind: "running", nextAttemptAt: expect.any(Number) });
  }, PATIENCE);
const pause = (started: Started, reason: string) =>
  t.env.client.workflowService.pauseActivity({
    namespace: "default",
    execution: { workflowId: t.temporal.names.delivery(started.deliveryId) },
    type: "attemptDelivery",
    reason,
  });

/** Runs one round on a clock that is `laterMs` ahead. */
async function reconcile(laterMs: number, temporal = t.temporal): Promise<void> {
  const round = createReconcileRound({
    store: t.store,
    log: t.log,
    whatIsAway: async () => [],
    now: () => Date.now() + laterMs,
    temporal: {
      inspect: (id) => inspectDelivery(temporal, id),
      start: (delivery) => startDelivery(temporal, delivery),
      retryNow: (id) => retryNow(temporal, id),
      unpause: (id) => unpause(temporal, id),
    },
  });
  await round();
}
const actions = () => t.logged("delivery.reconciled").map((fields) => fields["action"]);

/** Starts a delivery whose first attempt fails, and waits until its retry is scheduled. */
async function waitingDelivery(): Promise<Started> {
  t.receiver.answer((_request, n) => ({ kind: "status", status: n === 1 ? 500 : 200 }));
  const started = await t.deliver();
  await attemptsMade(started, 1);
  await waiting(started);
  return started;
}

describe("the reconciler", () => {
  test("cancels a delivery whose workflow an operator terminated, once the delivery is overdue", async () => {
    const started = await waitingDelivery();
    await handle(started).terminate("by hand");
    await reconcile(0);
    expect((await row(started))?.state).toBe("started");
    await reconcile(DAY_MS);
    expect(await row(started)).toMatchObject({ state: "cancelled", nextAttemptAt: null, attempts: 1 });
    expect(t.receiver.requests).toHaveLength(1);
  });

  test("cancels a delivery whose workflow an operator cancelled", async () => {
    const started = await waitingDelivery();
    await handle(started).cancel();
    await handle(started)
      .result()
      .catch(() => {});
    await reconcile(DAY_MS);
    expect((await row(started))?.state).toBe("cancelled");
  });

  test("restarts a workflow that vanished, and the workflow continues from the attempt log", async () => {
    const started = await waitingDelivery();
    await t.env.client.workflowService.deleteWorkflowExecution({
      namespace: "default",
      workflowExecution: { workflowId: t.temporal.names.delivery(started.deliveryId) },
    });
    await vi.waitFor(
      async () => expect(await inspectDelivery(t.temporal, started.deliveryId)).toEqual({ kind: "gone" }),
      PATIENCE,
    );
    await reconcile(DAY_MS);
    expect(actions()).toEqual(["started_again"]);
    await waiting(started);
    expect(t.receiver.requests).toHaveLength(1);
  });

  test("soon starts a delivery that was resumed while the workflow that had parked it was closing", async () => {
    const started = await waitingDelivery();
    const { store, accountId } = t;
    const id = started.deliveryId;
    const subscriptionId = (await row(started))?.subscriptionId;
    if (subscriptionId === undefined) throw new Error("the delivery is gone");
    const subscription = () => ({ accountId, id: subscriptionId, now: Date.now() });
    await pauseSubscription(store, subscription());
    await parkDelivery(store, { id, subscriptionId, number: 2, now: Date.now() });
    await retryNow(t.temporal, id);
    expect(await handle(started).result()).toMatchObject({ state: "parked" });
    await resumeSubscription(store, subscription());
    await drainSubscription(store, subscription());
    const claim = { owner: "me", limit: 1, inFlightMax: 1, leaseMs: 30_000, now: () => Date.now() };
    expect(await claimDeliveries(store, claim)).toMatchObject([{ deliveryId: id }]);
    // The start found the old workflow still running, so there is no new one.
    await markStarted(store, { owner: "me", ids: [id], now: Date.now() });
    await reconcile(0);
    expect(actions()).toEqual([]);
    await reconcile(10_000);
    expect(actions()).toEqual(["started_again"]);
  });

  test("carries a delivery on under its installation's new id, from the attempt log", async () => {
    const started = await waitingDelivery();
    const renewed = { ...t.temporal, names: namesOf(await renewInstallation(t.store, { now: Date.now() })) };
    await t.startWorker({ names: renewed.names });
    await reconcile(DAY_MS, renewed);
    expect(actions()).toEqual(["started_again"]);
    await waiting(started, renewed);
    expect(t.receiver.requests).toHaveLength(1);
    await requestRetry(t.store, { accountId: t.accountId, id: started.deliveryId, now: Date.now() });
    await reconcile(60_000, renewed);
    await attemptsMade(started, 2);
    expect((await row(started))?.state).toBe("succeeded");
  });

  test("undoes a pause that a crashed retry now left behind, and the attempt runs", async () => {
    const started = await waitingDelivery();
    await requestRetry(t.store, { accountId: t.accountId, id: started.deliveryId, now: Date.now() });
    await pause(started, RETRY_NOW_REASON);
    await reconcile(60_000);
    expect(actions()).toEqual(["unpaused"]);
    await attemptsMade(started, 2);
    expect((await row(started))?.state).toBe("succeeded");
  });

  test("completes a retry now that crashed before its first call to Temporal", async () => {
    const started = await waitingDelivery();
    await requestRetry(t.store, { accountId: t.accountId, id: started.deliveryId, now: Date.now() });
    await reconcile(60_000);
    expect(actions()).toEqual(["retried"]);
    await attemptsMade(started, 2);
    expect((await row(started))?.state).toBe("succeeded");
  });

  test("leaves an operator's pause alone, and does not examine it again at once", async () => {
    const started = await waitingDelivery();
    await pause(started, "looking into it");
    await reconcile(DAY_MS);
    await reconcile(DAY_MS);
    expect(actions()).toEqual(["left_alone"]);
    expect(t.receiver.requests).toHaveLength(1);
  });

  test("examines only overdue deliveries", async () => {
    await waitingDelivery();
    await reconcile(0);
    expect(actions()).toEqual([]);
  });
});
