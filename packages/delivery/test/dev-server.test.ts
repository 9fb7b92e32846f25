import type { DeliveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import {
  cancelDelivery,
  createAttemptLedger,
  getDelivery,
  listAttempts,
  pauseSubscription,
  requestRetry,
} from "@posthaste/store";
import { type DeliverySetup, type Started, startSharedTemporal } from "@posthaste/testkit/delivery";
import { NativeConnection } from "@temporalio/worker";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createShares } from "../src/activities/index.ts";
import {
  createSearchability,
  inspectDelivery,
  isHeldByOperator,
  retryNow,
  startDelivery,
  unpause,
  wakeCancelled,
} from "../src/client/index.ts";
import { clientOn, createDeliveryWorker } from "../src/worker/index.ts";

/** A generous limit for something that takes about a second. */
const PATIENCE = { timeout: 20_000, interval: 50 };

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
const attemptsMade = async (started: Started, count: number) =>
  await vi.waitFor(async () => {
    const delivery = await row(started);
    expect(delivery?.attempts).toBe(count);
    return delivery;
  }, PATIENCE);
const waiting = async (started: Started) =>
  await vi.waitFor(async () => {
    const standing = await inspectDelivery(t.temporal, started.deliveryId);
    if (standing.kind !== "running" || standing.nextAttemptAt === undefined)
      throw new Error(`is ${standing.kind}`);
    return standing.nextAttemptAt;
  }, PATIENCE);
const retry = async (started: Started) => {
  await requestRetry(t.store, { accountId: t.accountId, id: started.deliveryId, now: Date.now() });
  return await retryNow(t.temporal, started.deliveryId);
};
const toStart = (started: Started) => ({
  ...started,
  accountId: t.accountId,
  eventType: "invoice_sent",
  targetUrl: t.receiver.url,
});
const handle = (id: DeliveryId) => t.env.client.workflow.getHandle(t.temporal.names.delivery(id));

/** Pauses the activity of a delivery by its type, as "retry now" does. */
const pause = async ({ deliveryId }: Started, reason: string) =>
  await t.env.client.workflowService.pauseActivity({
    namespace: "default",
    execution: { workflowId: t.temporal.names.delivery(deliveryId) },
    type: "attemptDelivery",
    reason,
  });

/** Returns the id of the activity that waits, by which operators name it. */
const activityIdOf = async (started: Started) => {
  const { raw } = await handle(started.deliveryId).describe();
  const id = raw.pendingActivities?.[0]?.activityId;
  if (id == null) throw new Error("no activity waits");
  return id;
};

/** The ways in which an operator pauses an activity: each command of theirs uses one of these calls. */
const OPERATORS_PAUSES = {
  "by its type": async (started: Started) => await pause(started, "looking into it"),
  "by its type, without a reason": async (started: Started) => await pause(started, ""),
  "by its id": async (started: Started) =>
    await t.env.client.workflowService.pauseActivity({
      namespace: "default",
      execution: { workflowId: t.temporal.names.delivery(started.deliveryId) },
      id: await activityIdOf(started),
      identity: "an operator",
    }),
  "as an execution": async (started: Started) =>
    await t.env.client.workflowService.pauseActivityExecution({
      namespace: "default",
      workflowId: t.temporal.names.delivery(started.deliveryId),
      activityId: await activityIdOf(started),
      identity: "an operator",
    }),
} as const;
const eachPause = Object.entries(OPERATORS_PAUSES).map(([way, pauseSo]) => ({ way, pauseSo }));

test("a worker whose creation fails half-way leaves nothing on its connection", async () => {
  const connection = await NativeConnection.connect({ address: t.env.address });
  const creation = createDeliveryWorker({
    connection,
    namespace: "default",
    names: t.temporal.names,
    workflowBundle: { codePath: "no-such-bundle.js" },
    deps: {
      store: t.store,
      log: t.log,
      now: () => Date.now(),
      ledger: createAttemptLedger(t.store),
      concurrencyDefault: 1,
      shares: { first: createShares(1), retries: createShares(1) },
      egress: () => Promise.reject(new Error("nothing is sent")),
    },
  });
  await expect(creation).rejects.toThrow("no-such-bundle.js");
  // The SDK refuses this while a worker holds the connection.
  await connection.close();
});

test("a delivery whose workflow was evicted from memory is replayed, and goes on where it was", async () => {
  await t.stopWorkers();
  await t.startWorker({ workflowsMax: 2 });
  t.receiver.answer({ kind: "status", status: 500 });
  const deliveries: Started[] = [];
  // Each of these evicts the one before the last, which waits for its retry.
  for (let i = 0; i < 5; i++) {
    const started = await t.deliver({ targetUrl: `${t.receiver.url}${i}` });
    await attemptsMade(started, 1);
    await waiting(started);
    deliveries.push(started);
  }
  t.receiver.answer({ kind: "status", status: 200 });
  for (const started of deliveries) {
    expect(await retry(started)).toBe("retried");
    expect(await handle(started.deliveryId).result()).toMatchObject({ state: "succeeded", attempts: 2 });
    expect(await row(started)).toMatchObject({ state: "succeeded", attempts: 2 });
    const { events } = await handle(started.deliveryId).fetchHistory();
    expect(events?.filter((event) => event.workflowTaskFailedEventAttributes)).toEqual([]);
  }
});

describe("retry now, on a real server", () => {
  test("sends the next attempt during each of the first waits, and the schedule's wait follows", async () => {
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
      if (number < 5) expect(await retry(started)).toBe("retried");
    }
    expect(t.receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual([
      "1",
      "2",
      "3",
      "4",
      "5",
    ]);
  });

  test("sends one attempt even if it is called three times at once", async () => {
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

  test("can be completed after a crash between its two calls, because the pause names its reason", async () => {
    t.receiver.answer((_request, n) => ({ kind: "status", status: n === 1 ? 500 : 200 }));
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await pause(started, "posthaste: retry now");
    expect(await inspectDelivery(t.temporal, started.deliveryId)).toEqual({
      kind: "paused",
      by: "retry_now",
    });
    expect(await retry(started)).toBe("retried");
    await attemptsMade(started, 2);
    expect((await row(started))?.state).toBe("succeeded");
  });

  test.each(eachPause)(
    "leaves a pause that an operator made $way, until they unpause",
    async ({ pauseSo }) => {
      t.receiver.answer((_request, n) => ({ kind: "status", status: n === 1 ? 500 : 200 }));
      const started = await t.deliver();
      await attemptsMade(started, 1);
      await waiting(started);
      await pauseSo(started);
      const held = { kind: "paused", by: "operator" };
      expect(await isHeldByOperator(t.temporal, started.deliveryId)).toBe(true);
      expect(await inspectDelivery(t.temporal, started.deliveryId)).toEqual(held);
      // Whoever asks again is told again.
      expect(await retry(started)).toBe("held_by_operator");
      expect(await retry(started)).toBe("held_by_operator");
      expect(await inspectDelivery(t.temporal, started.deliveryId)).toEqual(held);
      expect(t.receiver.requests).toHaveLength(1);
      await unpause(t.temporal, started.deliveryId);
      await attemptsMade(started, 2);
      expect((await row(started))?.state).toBe("succeeded");
      expect(await isHeldByOperator(t.temporal, started.deliveryId)).toBe(false);
    },
  );

  test.each(eachPause)(
    "lifts a pause $way of a cancelled delivery, so that its workflow ends",
    async ({ pauseSo }) => {
      t.receiver.answer({ kind: "status", status: 500 });
      const started = await t.deliver();
      await attemptsMade(started, 1);
      await waiting(started);
      await pauseSo(started);
      await cancelDelivery(t.store, { id: started.deliveryId, reason: "a test", now: Date.now() });
      await wakeCancelled(t.temporal, started.deliveryId);
      expect(await handle(started.deliveryId).result()).toMatchObject({ state: "cancelled" });
      expect(t.receiver.requests).toHaveLength(1);
    },
  );

  test("changes nothing during an attempt: that attempt counts, and the schedule's wait follows", async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    t.receiver.answer(async () => {
      await released;
      return { kind: "status", status: 500 };
    });
    const started = await t.deliver();
    await t.receiver.waitFor(1, { timeoutMs: 20_000 });
    await retry(started);
    release();
    await attemptsMade(started, 1);
    expect((await waiting(started)) - Date.now()).toBeGreaterThan(9 * MINUTE_MS);
    expect(t.receiver.requests).toHaveLength(1);
  });

  test("reports that nothing waits if there is no workflow", async () => {
    for (const client of [t.env.client, clientOn(t.env.nativeConnection, "default")]) {
      expect(await retryNow({ ...t.temporal, client }, "dlv_none" as DeliveryId)).toBe("nothing_waits");
    }
  });
});

describe("a retry that Temporal dispatches before it is due", () => {
  /** Makes the activity due at once without changing the row, as Temporal does after a restart. */
  const dispatchNow = async (started: Started) => {
    const target = {
      namespace: "default",
      execution: { workflowId: t.temporal.names.delivery(started.deliveryId) },
      type: "attemptDelivery",
    };
    await t.env.client.workflowService.pauseActivity({ ...target, reason: "a test" });
    await t.env.client.workflowService.unpauseActivity(target);
  };
  const refused = async (count: number) =>
    await vi.waitFor(() => expect(t.logged("delivery.early").length).toBe(count), PATIENCE);

  test("is refused every time, Temporal waits until the row's time, and no attempt is used up", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    const { nextAttemptAt: dueAt } = (await attemptsMade(started, 1)) ?? {};
    for (const count of [1, 2, 3]) {
      await waiting(started);
      await dispatchNow(started);
      await refused(count);
    }
    await vi.waitFor(async () => {
      expect(Math.abs((await waiting(started)) - (dueAt ?? 0))).toBeLessThan(5_000);
    }, PATIENCE);
    expect(t.receiver.requests).toHaveLength(1);
    expect(await row(started)).toMatchObject({ state: "started", attempts: 1, nextAttemptAt: dueAt });
    const early = { subscriptionId: started.subscriptionId, dueAt: new Date(dueAt ?? 0).toISOString() };
    expect(t.logged("delivery.early")).toEqual([early, early, early]);
  });

  test("is sent after a retry now, and the schedule's wait follows", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await dispatchNow(started);
    await refused(1);
    await waiting(started);
    expect(await retry(started)).toBe("retried");
    const delivery = await attemptsMade(started, 2);
    expect((delivery?.nextAttemptAt ?? 0) - Date.now()).toBeGreaterThan(29 * MINUTE_MS);
    await vi.waitFor(async () => {
      expect(Math.abs((await waiting(started)) - (delivery?.nextAttemptAt ?? 0))).toBeLessThan(5_000);
    }, PATIENCE);
    expect(t.receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(["1", "2"]);
  });

  test("is not parked before it is due if its subscription is paused", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await pauseSubscription(t.store, {
      accountId: t.accountId,
      id: started.subscriptionId,
      now: Date.now(),
    });
    await dispatchNow(started);
    await refused(1);
    await waiting(started);
    expect((await row(started))?.state).toBe("started");
  });
});

describe("a workflow that does not exist", () => {
  test("is started again, replays the log without a request and waits for the rest of the schedule", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await retry(started);
    await attemptsMade(started, 2);
    await waiting(started);
    await handle(started.deliveryId).terminate("simulates a lost workflow");
    expect(await inspectDelivery(t.temporal, started.deliveryId)).toEqual({ kind: "ended_by_hand" });
    // As if 23 of the 30 minutes had passed.
    const dueAt = Date.now() + 7 * MINUTE_MS;
    await t.store.db.updateTable("deliveries").set({ next_attempt_at: dueAt }).execute();

    await startDelivery(t.temporal, toStart(started));
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

  test("sends no request if it is started again after the delivery has ended", async () => {
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await handle(started.deliveryId).result();
    await startDelivery(t.temporal, toStart(started));
    await expect(handle(started.deliveryId).result()).resolves.toMatchObject({
      state: "succeeded",
      attempts: 1,
    });
    expect(t.receiver.requests).toHaveLength(1);
  });

  test("is reported as gone", async () => {
    expect(await inspectDelivery(t.temporal, "dlv_none" as DeliveryId)).toEqual({ kind: "gone" });
  });
});

describe("operators", () => {
  test("find deliveries by account, subscription, event type, event and host, and see the last failure", async () => {
    let at = Date.now();
    const searchability = createSearchability(t.env.client, { now: () => at, onMissing: () => {} });
    t.receiver.answer({ kind: "status", status: 503 });
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await handle(started.deliveryId).terminate("to be started again with search attributes");
    // The server takes some seconds to accept new attributes; the worker's clock moves on at once.
    await vi.waitFor(async () => {
      at += MINUTE_MS;
      await startDelivery(t.temporal, toStart(started), { searchability });
      const { searchAttributes } = await handle(started.deliveryId).describe();
      const found = Object.keys(searchAttributes).length;
      if (found === 0) await handle(started.deliveryId).terminate("has no search attributes");
      expect(found).toBe(5);
    }, PATIENCE);
    await searchability.stop();
    const found = async (query: string) => {
      const ids: string[] = [];
      for await (const { workflowId } of t.env.client.workflow.list({ query })) ids.push(workflowId);
      return ids;
    };
    const host = new URL(t.receiver.url).host;
    // Other tests leave workflows on the server, but start none with search attributes.
    const queries = [
      `PosthasteAccount = "${t.accountId}"`,
      `PosthasteSubscription = "${started.subscriptionId}"`,
      'PosthasteEventType = "invoice_sent"',
      `PosthasteEvent = "${started.eventId}"`,
      `PosthasteHost = "${host}"`,
    ];
    for (const query of queries) {
      await vi.waitFor(async () => {
        expect(await found(`${query} AND ExecutionStatus = "Running"`)).toEqual([
          t.temporal.names.delivery(started.deliveryId),
        ]);
      }, PATIENCE);
    }
    await vi.waitFor(async () => {
      const { raw } = await handle(started.deliveryId).describe();
      const failure = raw.pendingActivities?.[0]?.lastFailure;
      expect(failure?.message).toMatch(
        /^attempt 1 of 14: the receiver answered 503, .*; next attempt at 20\d\d-.* UTC$/,
      );
      expect(failure?.stackTrace).toBe("");
    }, PATIENCE);
  });
});

describe("a version of the worker deployment", () => {
  test("gets no work until it is current, and then continues the workflows of earlier versions", async () => {
    t.receiver.answer({ kind: "status", status: 500 });
    const started = await t.deliver();
    await attemptsMade(started, 1);
    await waiting(started);
    await t.stopWorkers();
    t.receiver.answer({ kind: "status", status: 200 });
    await t.startWorker({ buildId: "v2" });
    await retry(started);
    const describeDeployment = () =>
      t.env.client.workflowService.describeWorkerDeployment({
        namespace: "default",
        deploymentName: t.temporal.names.deployment,
      });
    await vi.waitFor(async () => {
      const { workerDeploymentInfo } = await describeDeployment();
      expect(workerDeploymentInfo?.versionSummaries?.length).toBe(1);
    }, PATIENCE);
    expect(t.receiver.requests).toHaveLength(1);
    await t.env.client.workflowService.setWorkerDeploymentCurrentVersion({
      namespace: "default",
      deploymentName: t.temporal.names.deployment,
      buildId: "v2",
      identity: "an operator",
    });
    await attemptsMade(started, 2);
    expect(await handle(started.deliveryId).result()).toMatchObject({ state: "succeeded" });
  });
});
