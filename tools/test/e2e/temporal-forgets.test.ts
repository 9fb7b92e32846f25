import { rmSync } from "node:fs";
import { join } from "node:path";
import { DeliveryState, RecoveryState } from "@posthaste/contracts/delivery";
import { connectTemporal, inspectDelivery, workflowIdOf } from "@posthaste/delivery/client";
import type { DeliveryId, Lane, RecoveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterEach, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

/*
 * Temporal loses what a worker told it once (search attributes, the retention's schedule) or was trusted with
 * (workflows), and nobody restarts the worker.
 */

const PATIENCE = { timeout: 120_000, interval: 100 };
const TIMEOUT_MS = 300_000;
const EVENTS = 20;
/** Events that a replay is under way with when Temporal loses it. */
const REPLAYED = 15n;
const ATTRIBUTES = ["Account", "Event", "EventType", "Host", "Subscription"].map(
  (name) => `Posthaste${name}`,
);

let stack: Stack;
let receiver: Receiver;
let temporal: ReturnType<typeof connectTemporal>;
afterEach(async () => {
  await temporal?.connection.close();
  await receiver.stop();
  await endStack(stack);
});

/**
 * A whole product, and a receiver that refuses everything: in either lane, a delivery to it comes to have a
 * workflow.
 */
async function setUp(lane: Lane): Promise<void> {
  receiver = await startReceiver();
  receiver.answer({ kind: "status", status: 500 });
  stack = await startStack({
    lane,
    // A schedule that is gone is noticed as often as it is to run, if that is more often than once a minute.
    env: { POSTHASTE_RECONCILE_INTERVAL_MS: "500", POSTHASTE_RETENTION_INTERVAL_MS: "5000" },
  });
  temporal = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
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
/** Waits until a delivery's first attempt has failed and Temporal holds the next one. */
const waiting = (id: DeliveryId) =>
  vi.waitFor(async () => {
    const standing = await inspectDelivery(temporal, id);
    if (standing.kind !== "running") throw new Error(`its workflow is ${standing.kind}`);
    expect((standing.nextAttemptAt ?? 0) - Date.now()).toBeGreaterThan(MINUTE_MS);
    return standing.nextAttemptAt ?? 0;
  }, PATIENCE);
/** Begins deliveries until one has all of its search attributes. */
const searchable = () =>
  vi.waitFor(async () => {
    const { id } = await deliveryOf(await ingest());
    await waiting(id);
    const { searchAttributes } = await temporal.workflow.getHandle(workflowIdOf(id)).describe();
    expect(Object.keys(searchAttributes)).toEqual(expect.arrayContaining(ATTRIBUTES));
    return id;
  }, PATIENCE);
const complaints = () => stack.workers[0]?.log().match(/"temporal\.no_search_attributes"/g)?.length ?? 0;

test.each(["workflow", "direct"] as const)(
  "in the %s lane a search attribute that was removed keeps no delivery, is complained of once, and comes back",
  async (lane) => {
    await setUp(lane);
    await stack.subscribe(receiver.url);
    const before = await searchable();
    await temporal.connection.operatorService.removeSearchAttributes({
      namespace: "default",
      searchAttributes: ["PosthasteHost"],
    });

    // Until the server has noticed, too.
    await vi.waitFor(async () => {
      await waiting((await deliveryOf(await ingest())).id);
      expect(complaints()).toBe(1);
    }, PATIENCE);
    for (const eventId of await ingestMany()) await waiting((await deliveryOf(eventId)).id);
    await searchable();
    expect(complaints()).toBe(1);
    // What was given the attribute while it was there goes on.
    expect(await inspectDelivery(temporal, before)).toMatchObject({ kind: "running" });
  },
  TIMEOUT_MS,
);

test(
  "all of Temporal's data is wiped: what comes is delivered, and what was begun goes on",
  async () => {
    await setUp("workflow");
    const schedule = temporal.schedule.getHandle("posthaste-retention");
    await vi.waitFor(() => schedule.describe(), PATIENCE);
    for (let n = 0n; n < REPLAYED; n++) await ingest("contact_created");
    const begun = await stack.subscribe(receiver.url).then(searchable);
    const dueAt = await waiting(begun);
    const replay = await replayUnderWay(await stack.subscribe(receiver.url, "contact_created"));

    await wipeTemporal();
    await vi.waitFor(async () => {
      expect(await inspectDelivery(temporal, begun)).toEqual({ kind: "gone" });
    }, PATIENCE);

    await searchable();
    receiver.answer({ kind: "status", status: 200 });
    const eventIds = await ingestMany();
    await vi.waitFor(async () => {
      for (const eventId of eventIds) expect((await deliveryOf(eventId)).state).toBe(DeliveryState.SUCCEEDED);
    }, PATIENCE);

    // As if the replay had been silent for more than a minute, and the other's next attempt due minutes ago.
    await stack.store.db
      .updateTable("recoveries")
      .set({ workflow_at: Date.now() - 2 * MINUTE_MS })
      .where("id", "=", replay)
      .execute();
    await stack.store.db
      .updateTable("deliveries")
      .set({ reconcile_after: Date.now() - 1 })
      .where("id", "=", begun)
      .execute();
    expect(Math.abs((await waiting(begun)) - dueAt)).toBeLessThan(5_000);
    await vi.waitFor(() => schedule.describe(), PATIENCE);
    await vi.waitFor(async () => {
      const { recovery } = await stack.client.deliveries.getRecovery({ id: replay });
      expect(recovery).toMatchObject({ state: RecoveryState.COMPLETED, made: REPLAYED });
    }, PATIENCE);
  },
  TIMEOUT_MS,
);

/** A replay that has made its first delivery and has the most before it. */
async function replayUnderWay(subscriptionId: number): Promise<RecoveryId> {
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
