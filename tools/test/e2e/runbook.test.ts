import { readFileSync } from "node:fs";
import { Code } from "@connectrpc/connect";
import { connectTemporal, namesOf } from "@posthaste/delivery/client";
import type { DeliveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import {
  type OwnMysqlServer,
  type Receiver,
  refusedUrl,
  startOwnMysql,
  startReceiver,
  timesIn,
} from "@posthaste/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";

/*
 * The incidents in the runbook of docs/operations.md. The tests show that an operator sees the documented
 * signs, and that the documented steps solve the problem.
 */

const PATIENCE = { timeout: 90_000, interval: 200 };
const TIMEOUT_MS = 150_000;

const alerts = readFileSync(new URL("../../../docs/monitoring/alerts.yaml", import.meta.url), "utf8");

let mysql: OwnMysqlServer;
let stack: Stack;
let receiver: Receiver;
beforeAll(async () => {
  mysql = await startOwnMysql();
  stack = await startStack({
    database: "mysql",
    mysqlUrl: mysql.url,
    env: { POSTHASTE_RECONCILE_INTERVAL_MS: "500", POSTHASTE_RATE_PER_SECOND: "50" },
  });
});
afterAll(async () => {
  await stack.dispose();
  await mysql.release();
});
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.stop());

const worker = () => stack.workers[0];
const metrics = async () => await (await fetch(`${stack.workerUrls[0]}/metrics`)).text();
const metric = async (name: string) => {
  const line = (await metrics()).split("\n").find((text) => text.startsWith(`${name} `));
  return Number(line?.split(" ").at(-1) ?? 0);
};
const dispatcherFailures = () => worker()?.log().split('"dispatcher.failed"').length ?? 0;
const ready = async (url: string | undefined) => {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, ...((await response.json()) as object) };
};
const ingest = async (eventType: string) =>
  (await stack.client.events.ingestEvent({ eventType, snapshot: { case: "dataJson", value: "{}" } })).eventId;
const deliveryOf = async (eventId: string) => {
  const { deliveries } = await stack.client.deliveries.listDeliveries({ eventId });
  const [delivery] = deliveries;
  if (delivery === undefined) throw new Error("there is no delivery");
  return { ...delivery, id: delivery.id as DeliveryId };
};
const attempted = async (eventId: string, attempts: number) =>
  await vi.waitFor(async () => {
    const delivery = await deliveryOf(eventId);
    expect(delivery.attempts).toBe(attempts);
    return delivery;
  }, PATIENCE);
/** Creates a subscription and a delivery whose first attempt failed and whose retry is scheduled. */
const waiting = async (eventType: string) => {
  receiver.answer({ kind: "status", status: 500 });
  const subscriptionId = await stack.subscribe(receiver.url, eventType);
  const delivery = await attempted(await ingest(eventType), 1);
  await vi.waitFor(async () => expect(await pending(delivery.id)).toBeDefined(), PATIENCE);
  return { subscriptionId, id: delivery.id, eventId: delivery.eventId };
};
const temporal = () => connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
const pending = async (id: DeliveryId) => {
  const client = temporal();
  try {
    const { raw } = await client.workflow.getHandle(namesOf(stack.installation).delivery(id)).describe();
    return raw.pendingActivities?.find((activity) => activity.nextAttemptScheduleTime != null);
  } finally {
    await client.connection.close();
  }
};

test(
  "no worker answers: events are accepted and wait, and a new worker delivers them",
  async () => {
    await stack.subscribe(receiver.url, "company_created");
    await worker()?.kill();
    await expect(fetch(`${stack.workerUrls[0]}/healthz`)).rejects.toThrow();
    await ingest("company_created");
    expect(receiver.requests).toHaveLength(0);
    await worker()?.start();
    await receiver.waitFor(1, { timeoutMs: 60_000 });
  },
  TIMEOUT_MS,
);

test(
  "a receiver is slow: the backlog does not age, and the slow subscription can be found",
  async () => {
    const { subscription } = await stack.client.subscriptions.createSubscription({
      targetUrl: receiver.url,
      eventTypes: ["company_updated"],
      concurrency: 1,
    });
    const answered = Promise.withResolvers<void>();
    receiver.answer(async () => {
      await answered.promise;
      return { kind: "status", status: 200 };
    });
    for (let i = 0; i < 3; i++) await ingest("company_updated");
    await vi.waitFor(async () => {
      expect(await metric('posthaste_backlog_deliveries{state="pending"}')).toBe(2);
      expect(await metric("posthaste_backlog_age_seconds")).toBe(0);
    }, PATIENCE);
    const id = subscription?.id ?? 0;
    expect(await stack.client.subscriptions.getSubscriptionHealth({ id })).toMatchObject({ pending: 2 });
    answered.resolve();
    await receiver.waitFor(3, { timeoutMs: 60_000 });
  },
  TIMEOUT_MS,
);

test(
  "the database is unavailable: the API reports it, and deliveries continue after the database returns",
  async () => {
    await stack.subscribe(receiver.url, "company_deleted");
    await mysql.kill();
    await vi.waitFor(async () => {
      expect(await ready(stack.apiUrl)).toMatchObject({ status: 503, database: "away", temporal: "ok" });
      expect(await metric('posthaste_dependency_up{dependency="database"}')).toBe(0);
    }, PATIENCE);
    await expect(ingest("company_deleted")).rejects.toMatchObject({ code: Code.Unavailable });
    await vi.waitFor(async () => {
      expect(await metric('posthaste_loop_failures_total{loop="dispatcher"}')).toBeGreaterThan(0);
    }, PATIENCE);
    await mysql.restart();
    const eventId = await vi.waitFor(() => ingest("company_deleted"), PATIENCE);
    await attempted(eventId, 1);
    await vi.waitFor(async () => {
      expect(await ready(stack.apiUrl)).toMatchObject({ status: 200, database: "ok" });
    }, PATIENCE);
  },
  TIMEOUT_MS,
);

test(
  "Temporal is unavailable: events are accepted, the backlog ages, and it is delivered after Temporal returns",
  async () => {
    await stack.subscribe(receiver.url, "contact_created");
    const failuresBefore = dispatcherFailures();
    await stack.temporal.kill();
    await vi.waitFor(async () => {
      expect(await ready(stack.apiUrl)).toMatchObject({ status: 200, temporal: "away" });
      expect(await ready(stack.workerUrls[0] ?? "")).toMatchObject({ status: 503, temporal: "away" });
      expect(await metric('posthaste_dependency_up{dependency="temporal"}')).toBe(0);
    }, PATIENCE);
    await ingest("contact_created");
    await vi.waitFor(() => expect(dispatcherFailures()).toBeGreaterThan(failuresBefore), PATIENCE);
    await vi.waitFor(
      async () => expect(await metric("posthaste_backlog_age_seconds")).toBeGreaterThan(1),
      PATIENCE,
    );
    expect(receiver.requests).toHaveLength(0);
    await stack.temporal.start();
    await receiver.waitFor(1, { timeoutMs: 60_000 });
  },
  TIMEOUT_MS,
);

test(
  "deliveries are overdue: a delivery whose activity an operator paused continues only when it is unpaused",
  async () => {
    const { id, eventId } = await waiting("contact_updated");
    const client = temporal();
    const target = {
      namespace: "default",
      execution: { workflowId: namesOf(stack.installation).delivery(id) },
      type: "attemptDelivery",
    };
    await client.workflowService.pauseActivity({ ...target, reason: "looking into it" });
    const at = Date.now() - 3 * MINUTE_MS;
    const times = { started_at: at, next_attempt_at: at, reconcile_after: Date.now() - 1 };
    await stack.store.db.updateTable("deliveries").set(times).where("id", "=", id).execute();
    await vi.waitFor(async () => {
      expect(await metric('posthaste_reconciled_total{action="left_alone"}')).toBeGreaterThan(0);
    }, PATIENCE);
    const [, series = "", threshold] = /expr: max\((.*overdue.*)\) > (\d+)/.exec(alerts) ?? [];
    await vi.waitFor(async () => expect(await metric(series)).toBeGreaterThan(Number(threshold)), PATIENCE);
    expect((await deliveryOf(eventId)).attempts).toBe(1);
    receiver.answer({ kind: "status", status: 200 });
    await client.workflowService.unpauseActivity(target);
    await attempted(eventId, 2);
    await client.connection.close();
  },
  TIMEOUT_MS,
);

test(
  "internal errors interrupt attempts: they are counted, spend no attempt, and the attempt follows the repair",
  async () => {
    const subscriptionId = await stack.subscribe(receiver.url, "contact_deleted");
    const keys = await stack.store.db
      .selectFrom("signing_keys")
      .selectAll()
      .where("subscription_id", "=", subscriptionId)
      .execute();
    await stack.store.db.deleteFrom("signing_keys").where("subscription_id", "=", subscriptionId).execute();
    const eventId = await ingest("contact_deleted");
    await vi.waitFor(async () => expect(await metric("posthaste_faults_total")).toBeGreaterThan(1), PATIENCE);
    expect(worker()?.log()).toContain("has no signing key");
    expect((await deliveryOf(eventId)).attempts).toBe(0);
    await stack.store.db.insertInto("signing_keys").values(keys).execute();
    await attempted(eventId, 1);
    expect(receiver.requests[0]?.headers["webhook-attempt"]).toBe("1");
  },
  TIMEOUT_MS,
);

test(
  "most attempts fail: the outcome names the cause, and a recovery sends the deliveries again",
  async () => {
    const subscriptionId = await stack.subscribe(await refusedUrl(), "invoice_created");
    const eventId = await ingest("invoice_created");
    const { id } = await attempted(eventId, 1);
    expect(await metric('posthaste_attempts_total{outcome="refused"}')).toBeGreaterThan(0);
    await stack.client.deliveries.cancelDelivery({ id });
    await stack.client.subscriptions.updateSubscription({ id: subscriptionId, targetUrl: receiver.url });
    const wanted = { subscriptionId, since: { seconds: 0n } };
    const dry = await stack.client.deliveries.recoverDeliveries({ ...wanted, dryRun: true });
    await vi.waitFor(async () => {
      const { recovery } = await stack.client.deliveries.getRecovery({ id: dry.recovery?.id ?? 0 });
      expect(recovery).toMatchObject({ made: 1n, dryRun: true });
    }, PATIENCE);
    expect(receiver.requests).toHaveLength(0);
    await stack.client.deliveries.recoverDeliveries(wanted);
    await receiver.waitFor(1, { timeoutMs: 60_000 });
  },
  TIMEOUT_MS,
);

test(
  "a receiver was down for days: its owner is notified, and parked deliveries are sent after a resume",
  async () => {
    const owner = await startReceiver();
    await stack.subscribe(owner.url, "subscription_disabled");
    const { subscriptionId, id } = await waiting("invoice_updated");
    // Simulates six days of failures and exhausted deliveries.
    await stack.store.db
      .updateTable("subscriptions")
      .set({ failing_since: Date.now() - 6 * 86_400_000, exhausted: 2 })
      .where("id", "=", subscriptionId)
      .execute();
    await stack.store.db
      .updateTable("deliveries")
      .set({ attempts: 13, next_attempt_at: Date.now() })
      .where("id", "=", id)
      .execute();
    const client = temporal();
    await client.workflow
      .getHandle(namesOf(stack.installation).delivery(id))
      .terminate("so that it is started again at 14");
    await stack.store.db
      .updateTable("deliveries")
      .set({ state: "pending", ...timesIn("pending", Date.now()) })
      .where("id", "=", id)
      .execute();
    const [notice] = await owner.waitFor(1, { timeoutMs: 90_000 });
    expect(JSON.parse(notice?.body.toString() ?? "[]")[0]).toMatchObject({
      SubscriptionID: subscriptionId,
      State: "disabled",
    });
    const before = receiver.requests.length;
    await ingest("invoice_updated");
    receiver.answer({ kind: "status", status: 200 });
    await stack.client.subscriptions.resumeSubscription({ id: subscriptionId });
    await receiver.waitFor(before + 1, { timeoutMs: 60_000 });
    await client.connection.close();
    await owner.stop();
  },
  TIMEOUT_MS,
);

test(
  "callers are rate-limited: the log has the code and the account, and Retry-After the time to wait",
  async () => {
    const list = () =>
      fetch(`${stack.apiUrl}/api/Webhook`, { headers: { authorization: `Bearer ${stack.token}` } });
    // Repeats until the limit is exceeded, even on a slow machine: 500 calls in ten seconds are allowed.
    const refused = await vi.waitFor(async () => {
      const answers = await Promise.all(Array.from({ length: 200 }, list));
      const one = answers.find((answer) => answer.status === 429);
      if (one === undefined) throw new Error("no call was refused");
      return one;
    }, PATIENCE);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    await vi.waitFor(() => {
      const line = stack.apis[0]
        ?.log()
        .split("\n")
        .find((text) => text.includes('"code":429'));
      expect(JSON.parse(line ?? "{}")).toMatchObject({
        event: "request.completed",
        accountId: stack.accountId,
      });
    }, PATIENCE);
  },
  TIMEOUT_MS,
);
