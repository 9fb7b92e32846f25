import { namesOf, retryNow } from "@posthaste/delivery/client";
import { workflowCode } from "@posthaste/delivery/worker";
import {
  type AccountId,
  DISABLE_RULE,
  EGRESS_PORTS_DEFAULT,
  HOUR_MS,
  type InstallationId,
  parseNetworks,
} from "@posthaste/domain";
import { createStopDeadline, noTracer, type Running, silentLog } from "@posthaste/runtime";
import {
  claimDeliveries,
  createAccount,
  createErasure,
  createRecovery,
  createSubscription,
  getErasure,
  getRecovery,
  ingestEvents,
  listDeliveries,
  markStarted,
  readInstallation,
  requestRetry,
  type Store,
} from "@posthaste/store";
import { createTestStore } from "@posthaste/testkit";
import { type DeliverySetup, setupDelivery } from "@posthaste/testkit/delivery";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startWorker } from "../src/start-worker.ts";

const PATIENCE = { timeout: 30_000, interval: 50 };
const EVENTS = 20;

let t: DeliverySetup;
let ends: (() => Promise<unknown>)[];
beforeEach(async () => {
  t = await setupDelivery("dev-server");
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  await t.dispose();
});

/** Longer than a stop takes on a busy machine. */
const STOP_WITHIN_MS = 60_000;

/** A database of its own with a worker on the Temporal server that all installations share. */
async function installation() {
  const { store, dispose } = await createTestStore("sqlite");
  ends.push(dispose);
  const names = namesOf(await readInstallation(store));
  const worker = await workerOn(store, names);
  ends.push(() => worker.stop(createStopDeadline(STOP_WITHIN_MS)));
  const { id: accountId } = await createAccount(store, { name: "test", now: Date.now() });
  return { store, names, accountId };
}

async function workerOn(store: Store, names: ReturnType<typeof namesOf>): Promise<Running> {
  return await startWorker({
    store,
    names,
    log: silentLog,
    temporal: { connectionOptions: { address: t.env.address } },
    workflowBundle: await workflowCode(),
    host: "127.0.0.1",
    port: 0,
    lane: "workflow",
    dispatchLeaseMs: 30_000,
    inFlightMax: 32,
    drainPerSecond: 100,
    disableRule: DISABLE_RULE,
    retention: {
      events: HOUR_MS,
      attempts: HOUR_MS,
      idempotency_keys: HOUR_MS,
      changes: HOUR_MS,
      removed_event_types: HOUR_MS,
      audit_entries: HOUR_MS,
    },
    retentionIntervalMs: HOUR_MS,
    attemptsMax: 50,
    hostAttemptsMax: 50,
    buildId: "",
    // Never within the test: what it would repair, fails the test.
    reconcileIntervalMs: HOUR_MS,
    egress: { rules: { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT } },
    tracer: noTracer,
    temporalMetrics: async () => "",
    stopWithinMs: STOP_WITHIN_MS,
  });
}

async function ingestForFailingReceiver(store: Store, accountId: AccountId, count: number): Promise<void> {
  const now = Date.now();
  await createSubscription(store, {
    accountId,
    targetUrl: t.receiver.url,
    eventTypes: ["*"],
    credential: null,
    acceptance: "OK_ONLY",
    timeoutMs: null,
    now,
  });
  const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
  const events = Array.from({ length: count }, () => event);
  await ingestEvents(store, { accountId, now, deliveriesMax: 1_000, events });
}

test("two installations in one namespace make their first attempts, recoveries and erasures undisturbed", async () => {
  t.receiver.answer({ kind: "status", status: 500 });
  const both = [await installation(), await installation()];
  await Promise.all(both.map(({ store, accountId }) => ingestForFailingReceiver(store, accountId, EVENTS)));
  for (const { store, accountId } of both) {
    await vi.waitFor(async () => {
      const deliveries = await listDeliveries(store, { accountId, limit: 100 });
      expect(deliveries.map(({ attempts }) => attempts)).toEqual(Array.from({ length: EVENTS }, () => 1));
    }, PATIENCE);
  }

  const operations = await Promise.all(
    both.map(async ({ store, accountId }) => {
      const now = Date.now();
      const since = { subscriptionId: null, sinceAt: 0, untilAt: now, isDryRun: false, ratePerSecond: 100 };
      const recovery = await createRecovery(store, { accountId, kind: "recover", ...since, now });
      const key = { pointer: "/a", value: "1" };
      const erasure = await createErasure(store, { accountId, key, now });
      return { store, accountId, recovery, erasure };
    }),
  );
  // The same numbers in both databases.
  expect(new Set(operations.map(({ recovery, erasure }) => `${recovery.id} ${erasure.id}`)).size).toBe(1);
  for (const { store, accountId, recovery, erasure } of operations) {
    await vi.waitFor(async () => {
      expect((await getRecovery(store, { accountId, id: recovery.id }))?.state).toBe("completed");
      expect((await getErasure(store, erasure.id))?.state).toBe("completed");
    }, PATIENCE);
  }

  for (const { names } of both) {
    const { schedule } = t.env.client;
    await vi.waitFor(() => schedule.getHandle(names.retentionSchedule).describe(), PATIENCE);
  }
});

test("a worker carries on the workflows that a release without ids has started", async () => {
  t.receiver.answer((_request, n) => ({ kind: "status", status: n === 1 ? 500 : 200 }));
  const { store, dispose } = await createTestStore("sqlite");
  ends.push(dispose);
  // As the migration leaves a database that is in use.
  await store.db
    .updateTable("installation")
    .set({ installation_id: "" as InstallationId })
    .execute();
  const { id: accountId } = await createAccount(store, { name: "test", now: Date.now() });
  await ingestForFailingReceiver(store, accountId, 1);
  const claim = { owner: "before", limit: 1, inFlightMax: 1, leaseMs: 60_000, now: () => Date.now() };
  const claimed = await claimDeliveries(store, claim);
  const ids = claimed.map(({ deliveryId }) => deliveryId);
  for (const deliveryId of ids) {
    const started = { workflowId: `delivery/${deliveryId}`, taskQueue: "posthaste-deliveries" };
    await t.env.client.workflow.start("carryDelivery", { ...started, args: [{ deliveryId }] });
  }
  await markStarted(store, { owner: "before", ids, now: Date.now() });

  const names = namesOf(await readInstallation(store));
  const worker = await workerOn(store, names);
  ends.push(() => worker.stop(createStopDeadline(STOP_WITHIN_MS)));
  const attempts = async (count: number) =>
    await vi.waitFor(async () => {
      const deliveries = await listDeliveries(store, { accountId, limit: 100 });
      expect(deliveries.map((delivery) => delivery.attempts)).toEqual([count]);
    }, PATIENCE);
  await attempts(1);
  for (const id of ids) {
    await requestRetry(store, { accountId, id, now: Date.now() });
    await vi.waitFor(async () => {
      expect(await retryNow({ client: t.env.client, names }, id)).toBe("retried");
    }, PATIENCE);
  }
  await attempts(2);
});
