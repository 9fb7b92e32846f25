import { rmSync } from "node:fs";
import { join } from "node:path";
import { DeliveryState, RecoveryState } from "@posthaste/contracts/delivery";
import { connectTemporal, inspectDelivery, namesOf, type Temporal } from "@posthaste/delivery/client";
import type { DeliveryId, Lane, RecoveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterEach, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

/*
 * Temporal loses what a worker registered at its start (search attributes, the retention schedule) or the
 * workflows themselves, and nobody restarts the worker.
 */

const PATIENCE = { timeout: 120_000, interval: 100 };
const TIMEOUT_MS = 300_000;
const EVENTS = 20;
/** The events of the replay that is in progress when Temporal loses its workflow. */
const REPLAYED = 15n;
const ATTRIBUTES = ["Account", "Event", "EventType", "Host", "Subscription"].map(
  (name) => `Posthaste${name}`,
);

let stack: Stack;
let receiver: Receiver;
let temporal: Temporal;
afterEach(async () => {
  await temporal?.client.connection.close();
  await receiver.stop();
  await endStack(stack);
});

/** Starts a stack, and a receiver that answers 500, so that each delivery gets a workflow in either lane. */
async function setUp(lane: Lane): Promise<void> {
  receiver = await startReceiver();
  receiver.answer({ kind: "status", status: 500 });
  stack = await startStack({
    lane,
    // A missing schedule is detected after one retention interval, or after one minute if that is shorter.
    env: { POSTHASTE_RECONCILE_INTERVAL_MS: "500", POSTHASTE_RETENTION_INTERVAL_MS: "5000" },
  });
  const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
  temporal = { client, names: namesOf(stack.installation) };
}
async function ingest(eventType = "invoice_sent"): Promise<string> {
  const { eventId } = await stack.client.events.ingestEvent({
    eventType,
    snapshot: { case: "dataJson", value: "{}" },
  });
  return eventId;
}
const ingestMany = () => Promise.all(Array.from({ length: EVENTS }, () => ingest()));
async function deliveryOf(eventId: string) {
  const [delivery] = (await stack.client.deliveries.listDeliveries({ eventId })).deliveries;
  if (delivery === undefined) throw new Error("there is no delivery");
  return { ...delivery, id: delivery.id as DeliveryId };
}
/**
 * Waits until a delivery's first attempt has failed and Temporal has scheduled the next one; returns its
 * time.
 */
const waiting = (id: DeliveryId) =>
  vi.waitFor(async () => {
    const standing = await inspectDelivery(temporal, id);
    if (standing.kind !== "running") throw new Error(`its workflow is ${standing.kind}`);
    expect((standing.nextAttemptAt ?? 0) - Date.now()).toBeGreaterThan(MINUTE_MS);
    return standing.nextAttemptAt ?? 0;
  }, PATIENCE);
/** Starts deliveries until the workflow of one has every search attribute. */
const searchable = () =>
  vi.waitFor(async () => {
    const { id } = await deliveryOf(await ingest());
    await waiting(id);
    const { searchAttributes } = await temporal.client.workflow
      .getHandle(temporal.names.delivery(id))
      .describe();
    expect(Object.keys(searchAttributes)).toEqual(expect.arrayContaining(ATTRIBUTES));
    return id;
  }, PATIENCE);
const complaints = () => stack.workers[0]?.log().match(/"temporal\.no_search_attributes"/g)?.length ?? 0;

test.each(["workflow", "direct"] as const)(
  "a removed search attribute blocks no delivery, is logged once and is restored, in the %s lane",
  async (lane) => {
    await setUp(lane);
    await stack.subscribe(receiver.url);
    const before = await searchable();
    await temporal.client.connection.operatorService.removeSearchAttributes({
      namespace: "default",
      searchAttributes: ["PosthasteHost"],
    });

    // Waits until the server has noticed the removal.
    await vi.waitFor(async () => {
      await waiting((await deliveryOf(await ingest())).id);
      expect(complaints()).toBe(1);
    }, PATIENCE);
    for (const eventId of await ingestMany()) await waiting((await deliveryOf(eventId)).id);
    await searchable();
    expect(complaints()).toBe(1);
    // A workflow that got the attribute before its removal continues.
    expect(await inspectDelivery(temporal, before)).toMatchObject({ kind: "running" });
  },
  TIMEOUT_MS,
);

test(
  "after all of Temporal's data is wiped, new events are delivered, and started deliveries and replays continue",
  async () => {
    await setUp("workflow");
    const schedule = temporal.client.schedule.getHandle(temporal.names.retentionSchedule);
    await vi.waitFor(() => schedule.describe(), PATIENCE);
    for (let n = 0n; n < REPLAYED; n++) await ingest("contact_created");
    const started = await stack.subscribe(receiver.url).then(searchable);
    const dueAt = await waiting(started);
    const replay = await startReplay(await stack.subscribe(receiver.url, "contact_created"));

    await wipeTemporal();
    await vi.waitFor(async () => {
      expect(await inspectDelivery(temporal, started)).toEqual({ kind: "gone" });
    }, PATIENCE);

    await searchable();
    receiver.answer({ kind: "status", status: 200 });
    const eventIds = await ingestMany();
    await vi.waitFor(async () => {
      for (const eventId of eventIds) expect((await deliveryOf(eventId)).state).toBe(DeliveryState.SUCCEEDED);
    }, PATIENCE);

    // Simulates that the replay has been silent for two minutes and that the delivery may be reconciled now.
    await stack.store.db
      .updateTable("recoveries")
      .set({ workflow_at: Date.now() - 2 * MINUTE_MS })
      .where("id", "=", replay)
      .execute();
    await stack.store.db
      .updateTable("deliveries")
      .set({ reconcile_after: Date.now() - 1 })
      .where("id", "=", started)
      .execute();
    expect(Math.abs((await waiting(started)) - dueAt)).toBeLessThan(5_000);
    await vi.waitFor(() => schedule.describe(), PATIENCE);
    await vi.waitFor(async () => {
      const { recovery } = await stack.client.deliveries.getRecovery({ id: replay });
      expect(recovery).toMatchObject({ state: RecoveryState.COMPLETED, made: REPLAYED });
    }, PATIENCE);
  },
  TIMEOUT_MS,
);

/** Starts a replay and waits for its first delivery, while most are still to come. */
async function startReplay(subscriptionId: number): Promise<RecoveryId> {
  const { recovery } = await stack.client.deliveries.replayEvents({
    subscriptionId,
    since: { seconds: 0n },
    ratePerSecond: 1,
  });
  const id = (recovery?.id ?? 0) as RecoveryId;
  await vi.waitFor(async () => {
    const { recovery: now } = await stack.client.deliveries.getRecovery({ id });
    expect(now?.made).toBeGreaterThan(0n);
    expect(now?.made).toBeLessThan(REPLAYED);
  }, PATIENCE);
  return id;
}

async function wipeTemporal(): Promise<void> {
  await stack.temporal.kill();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(join(stack.dir, `temporal.db${suffix}`), { force: true });
  await stack.temporal.start();
}
