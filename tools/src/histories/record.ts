import { execFile } from "node:child_process";
import { promisify } from "node:util";
import {
  inspectDelivery,
  retryNow,
  scheduleRetention,
  startErasure,
  startRecovery,
} from "@posthaste/delivery/client";
import type { Line } from "@posthaste/domain";
import {
  cancelDelivery,
  changeRecovery,
  createErasure,
  createRecovery,
  endSubscription,
  getDelivery,
  getRecovery,
  pauseSubscription,
  requestRetry,
  rotateSigningKey,
} from "@posthaste/store";
import { temporalBinary } from "@posthaste/temporal-servers";
import { until } from "@posthaste/testkit";
import { type DeliverySetup, type Started, setupDelivery } from "@posthaste/testkit/delivery";

/** Histories by the workflow's type and its path. */
type Histories = Record<string, unknown>;

/** The time limit for work that a worker does at once. */
const SOON = { withinMs: 30_000 };

/** Runs every workflow along each of its paths on a real Temporal server, and returns the histories. */
export async function recordHistories(): Promise<Histories> {
  const t = await setupDelivery("dev-server");
  try {
    await t.startWorker();
    return {
      "deliver-accepted": await accepted(t),
      "deliver-retried": await retried(t),
      "deliver-faulted": await faulted(t),
      "deliver-gone": await gone(t),
      "deliver-cancelled": await cancelled(t),
      "deliver-parked": await parked(t),
      "deliver-had-to-wait": await hadToWait(t),
      "recover-paused": await recovered(t),
      "retain-run": await retained(t),
      "erase-events": await erased(t),
    };
  } finally {
    await t.dispose();
  }
}

async function accepted(t: DeliverySetup): Promise<unknown> {
  return await finished(t, await t.deliver({ targetUrl: `${t.receiver.url}accepted` }));
}

async function retried(t: DeliverySetup): Promise<unknown> {
  const started = await failedOnce(t, "retried");
  await retry(t, started);
  return await finished(t, started);
}

async function faulted(t: DeliverySetup): Promise<unknown> {
  // A subscription without a signing key is a fault, because no request is sent unsigned.
  const started = await failedOnce(t, "faulted");
  await t.store.db.deleteFrom("signing_keys").where("subscription_id", "=", started.subscriptionId).execute();
  await retry(t, started);
  await until(() => t.logged("delivery.faulted").length > 0, SOON);
  const { accountId, store } = t;
  await rotateSigningKey(store, { accountId, id: started.subscriptionId, overlapMs: 0, now: Date.now() });
  return await finished(t, started);
}

async function gone(t: DeliverySetup): Promise<unknown> {
  t.receiver.answer({ kind: "status", status: 410 });
  return await finished(t, await t.deliver({ targetUrl: `${t.receiver.url}gone` }));
}

async function cancelled(t: DeliverySetup): Promise<unknown> {
  const started = await failedOnce(t, "cancelled");
  await cancelDelivery(t.store, { id: started.deliveryId, reason: "recorded", now: Date.now() });
  await retryNow(t.temporal, started.deliveryId);
  return await finished(t, started);
}

async function parked(t: DeliverySetup): Promise<unknown> {
  const started = await failedOnce(t, "parked");
  await pauseSubscription(t.store, { accountId: t.accountId, id: started.subscriptionId, now: Date.now() });
  await retry(t, started);
  return await finished(t, started);
}

async function hadToWait(t: DeliverySetup): Promise<unknown> {
  const started = await failedOnce(t, "waited");
  await t.store.db
    .updateTable("subscriptions")
    .set({ rate_per_1000s: 1_000, rate_burst: 1 })
    .where("id", "=", started.subscriptionId)
    .execute();
  await t.store.db
    .updateTable("turns")
    .set({ gate_us: ((Date.now() + 3_000) * 1_000) as Line })
    .where("subscription_id", "=", started.subscriptionId)
    .execute();
  await retry(t, started);
  return await finished(t, started);
}

async function recovered(t: DeliverySetup): Promise<unknown> {
  const { accountId, store } = t;
  const now = Date.now();
  const { id, kind } = await createRecovery(store, {
    accountId,
    kind: "recover",
    subscriptionId: null,
    sinceAt: 0,
    untilAt: now,
    isDryRun: false,
    ratePerSecond: 1,
    now,
  });
  const state = async () => (await getRecovery(store, { accountId, id }))?.state;
  await changeRecovery(store, { accountId, id, to: "paused", now });
  await startRecovery(t.temporal, { id, accountId, kind });
  await until(() => t.logged("recovery.advanced").length > 0, SOON);
  await changeRecovery(store, { accountId, id, to: "running", now });
  await t.env.client.workflow.getHandle(t.temporal.names.recovery(id)).signal("changed");
  await until(async () => (await state()) === "completed", SOON);
  return await historyOf(t, t.temporal.names.recovery(id));
}

async function retained(t: DeliverySetup): Promise<unknown> {
  const { client } = t.env;
  await scheduleRetention(t.temporal, 3_600_000);
  const handle = client.schedule.getHandle(t.temporal.names.retentionSchedule);
  await handle.trigger();
  await until(async () => (await handle.describe()).info.recentActions.length > 0, SOON);
  const [run] = (await handle.describe()).info.recentActions;
  const workflowId = run?.action.workflow.workflowId ?? "";
  await client.workflow.getHandle(workflowId).result();
  return await historyOf(t, workflowId);
}

async function erased(t: DeliverySetup): Promise<unknown> {
  const { accountId, store } = t;
  const key = { pointer: "/a", value: "1" };
  const { id } = await createErasure(store, { accountId, key, now: Date.now() });
  await startErasure(t.temporal, { id, accountId });
  await t.env.client.workflow.getHandle(t.temporal.names.erasure(id)).result();
  return await historyOf(t, t.temporal.names.erasure(id));
}

/** Starts a delivery and waits for its first attempt, which gets a 500. Later attempts are accepted. */
async function failedOnce(t: DeliverySetup, path: string): Promise<Started> {
  t.receiver.answer((request) => ({
    kind: "status",
    status: request.headers["webhook-attempt"] === "1" ? 500 : 200,
  }));
  const started = await t.deliver({ targetUrl: `${t.receiver.url}${path}` });
  await until(async () => {
    const delivery = await getDelivery(t.store, { accountId: t.accountId, id: started.deliveryId });
    return delivery?.attempts === 1;
  }, SOON);
  return started;
}

async function retry(t: DeliverySetup, { deliveryId: id }: Started): Promise<void> {
  await until(async () => {
    // A retry cannot be made due while Temporal considers an attempt to be in progress.
    const standing = await inspectDelivery(t.temporal, id);
    if (standing.kind !== "running" || standing.nextAttemptAt === undefined) return false;
    await requestRetry(t.store, { accountId: t.accountId, id, now: Date.now() });
    return (await retryNow(t.temporal, id)) === "retried";
  }, SOON);
}

async function finished(t: DeliverySetup, { deliveryId, subscriptionId }: Started): Promise<unknown> {
  const handle = t.env.client.workflow.getHandle(t.temporal.names.delivery(deliveryId));
  await handle.result().catch(() => {
    // The history of a failed workflow is recorded as well.
  });
  t.receiver.answer({ kind: "status", status: 200 });
  // Otherwise this subscription would also get the next delivery's event.
  const { accountId, store } = t;
  await endSubscription(store, { accountId, id: subscriptionId, reason: "recorded", now: Date.now() });
  return await historyOf(t, t.temporal.names.delivery(deliveryId));
}

async function historyOf(t: DeliverySetup, workflowId: string): Promise<unknown> {
  const address = t.env.connection.options.address;
  const args = ["workflow", "show", "--workflow-id", workflowId, "--output", "json", "--address", address];
  const { stdout } = await promisify(execFile)(await temporalBinary(), args);
  return JSON.parse(anonymous(stdout));
}

/** Removes everything that identifies the machine on which the history was recorded. */
function anonymous(json: string): string {
  return json
    .replaceAll(/"identity": *"[^"]*"/g, '"identity":"worker"')
    .replaceAll(/"\d+@[^"]*"/g, '"worker"')
    .replaceAll(/"stackTrace": *"(?:[^"\\]|\\.)*"/g, '"stackTrace":""')
    .replaceAll(/"binaryChecksum": *"[^"]*"/g, '"binaryChecksum":""');
}
