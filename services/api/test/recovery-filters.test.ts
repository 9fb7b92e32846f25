import { Code } from "@connectrpc/connect";
import { DeliveryState, LeftOutReason, Outcome } from "@posthaste/contracts/delivery";
import type { EventId, RecoveryId } from "@posthaste/domain";
import { advanceRecovery, type Store } from "@posthaste/store";
import { timesIn } from "@posthaste/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

const SINCE = { seconds: 0n };
const { PENDING, STARTED, SUCCEEDED, EXHAUSTED, BLOCKED, CANCELLED, PARKED } = DeliveryState;

let bench: Bench;
let subscriptionId: number;
beforeAll(async () => {
  bench = await startBench();
  const { subscription } = await bench.client.subscriptions.createSubscription({
    ...{ targetUrl: "https://receiver.example/", eventTypes: ["*"] },
  });
  subscriptionId = subscription?.id ?? 0;
});
afterAll(() => bench.dispose());
beforeEach(async () => {
  await bench.store.db.deleteFrom("recoveries").execute();
  await bench.store.db.deleteFrom("deliveries").execute();
});

/** Ingests an event, whose delivery to this test's subscription then waits for its second attempt. */
async function waiting(eventType: string, last: { outcome: "status" | "timeout"; status: number | null }) {
  const { eventId } = await bench.client.events.ingestEvent({
    eventType,
    snapshot: { case: "dataJson", value: "{}" },
  });
  const at = Date.now();
  const times = { ...timesIn("started", at), next_attempt_at: at + 600_000 };
  await bench.store.db
    .updateTable("deliveries")
    .set({ state: "started", attempts: 1, last_outcome: last.outcome, last_status: last.status, ...times })
    .where("event_id", "=", eventId as EventId)
    .execute();
  return eventId;
}

/** Carries out a recovery, as the worker does. */
async function carryOut(store: Store, id: number) {
  for (let i = 0; i < 10; i++) {
    const step = await advanceRecovery(store, { id: id as never, limit: 500, now: Date.now() });
    if (step?.state !== "running") return;
  }
}

describe("a recovery's filters", () => {
  test("come back as they were given, with what was left out and why", async () => {
    await waiting("invoice_sent", { outcome: "status", status: 503 });
    await waiting("contact_created", { outcome: "timeout", status: null });
    const { deliveries } = bench.client;
    const filter = {
      ...{ states: [STARTED, EXHAUSTED], eventTypes: ["invoice_sent"], outcomes: [Outcome.STATUS] },
      ...{ statuses: [503], attemptsMin: 1 },
    };
    const { recovery } = await deliveries.recoverDeliveries({ subscriptionId, since: SINCE, ...filter });
    expect(recovery).toMatchObject({ ...filter, leftOutBy: [] });
    await carryOut(bench.store, recovery?.id ?? 0);
    const again = await deliveries.recoverDeliveries({ subscriptionId, since: SINCE, ...filter });
    await carryOut(bench.store, again.recovery?.id ?? 0);
    const { recoveries } = await deliveries.listRecoveries({});
    expect(recoveries).toMatchObject([
      { made: 0n, leftOut: 1n, leftOutBy: [{ reason: LeftOutReason.DUE, count: 1n }] },
      { examined: 1n, made: 1n, leftOut: 0n },
    ]);
  });

  test("are by default what has failed", async () => {
    const { recovery } = await bench.client.deliveries.recoverDeliveries({ since: SINCE });
    expect(recovery?.states).toEqual([EXHAUSTED, BLOCKED, CANCELLED]);
    const { recovery: replay } = await bench.client.deliveries.replayEvents({
      ...{ subscriptionId, since: SINCE, eventTypes: ["invoice_sent"] },
    });
    expect(replay).toMatchObject({ states: [], eventTypes: ["invoice_sent"] });
  });

  test.each([
    ["a state that is sent without a recovery", { states: [PENDING] }, /states/],
    ["another such state", { states: [PARKED] }, /states/],
    ["a state twice", { states: [STARTED, STARTED] }, /states/],
    ["no outcome", { outcomes: [Outcome.UNSPECIFIED] }, /outcomes/],
    ["a status that no receiver can give", { statuses: [99] }, /statuses/],
    ["more attempts than there are", { attemptsMin: 15 }, /attempts_min/],
    ["an empty event type", { eventTypes: [""] }, /event_types/],
    [
      "more event types than it may",
      { eventTypes: Array.from({ length: 51 }, (_, i) => `t${i}`) },
      /event_types/,
    ],
  ] as const)("refuse %s", async (_what, filter, words) => {
    const refused = bench.client.deliveries.recoverDeliveries({ since: SINCE, ...filter } as never);
    await expect(refused).rejects.toMatchObject({
      code: Code.InvalidArgument,
      message: expect.stringMatching(words),
    });
  });
});

describe("a list of deliveries", () => {
  const listed = async (filter: object) => {
    const { deliveries } = await bench.client.deliveries.listDeliveries({ subscriptionId, ...filter });
    return deliveries.map(({ eventId }) => eventId).sort();
  };

  test("is filtered by outcome, status and attempts", async () => {
    const refused = await waiting("invoice_sent", { outcome: "status", status: 503 });
    const late = await waiting("contact_created", { outcome: "timeout", status: null });
    const { eventId: fresh } = await bench.client.events.ingestEvent({
      ...{ eventType: "invoice_sent", snapshot: { case: "dataJson", value: "{}" } },
    });
    expect(await listed({})).toEqual([refused, late, fresh].sort());
    expect(await listed({ outcomes: [Outcome.TIMEOUT] })).toEqual([late]);
    expect(await listed({ outcomes: [Outcome.TIMEOUT, Outcome.STATUS] })).toEqual([refused, late].sort());
    expect(await listed({ statuses: [503, 500] })).toEqual([refused]);
    expect(await listed({ attemptsMin: 1 })).toEqual([refused, late].sort());
    expect(await listed({ attemptsMin: 2 })).toEqual([]);
    expect(await listed({ state: STARTED, eventType: "invoice_sent" })).toEqual([refused]);
  });

  test("shows what a recovery made due, and what it created", async () => {
    const waited = await waiting("invoice_sent", { outcome: "status", status: 503 });
    const failed = await waiting("invoice_sent", { outcome: "status", status: 503 });
    await waiting("contact_created", { outcome: "timeout", status: null });
    await bench.store.db
      .updateTable("deliveries")
      .set({ state: "exhausted", ...timesIn("exhausted", Date.now()) })
      .where("event_id", "=", failed as EventId)
      .execute();
    const { recovery } = await bench.client.deliveries.recoverDeliveries({
      ...{ subscriptionId, since: SINCE, states: [STARTED, EXHAUSTED], eventTypes: ["invoice_sent"] },
    });
    await carryOut(bench.store, recovery?.id ?? 0);
    const { deliveries } = await bench.client.deliveries.listDeliveries({ recoveryId: recovery?.id ?? 0 });
    expect(deliveries.map(({ eventId }) => eventId).sort()).toEqual([waited, failed].sort());
    const made = deliveries.find(({ eventId }) => eventId === failed);
    const old = await bench.client.deliveries.getDelivery({ id: made?.resendOf ?? "" });
    expect(old).toMatchObject({ resentAs: made?.id, delivery: { state: EXHAUSTED, recoveryId: 0 } });
  });

  test("by a recovery of another account is empty", async () => {
    const { recovery } = await bench.client.deliveries.recoverDeliveries({ since: SINCE });
    const { token } = await bench.accountWith(["deliveries:read"]);
    const list = (as: string) =>
      bench.rpc("DeliveryService/ListDeliveries", { recoveryId: recovery?.id }, { token: as });
    await waiting("invoice_sent", { outcome: "status", status: 503 });
    await bench.store.db
      .updateTable("deliveries")
      .set({ recovery_id: recovery?.id as RecoveryId })
      .execute();
    expect((await list(bench.token)).body.deliveries).toHaveLength(1);
    expect((await list(token)).body.deliveries ?? []).toEqual([]);
  });

  test("links a resend of what was accepted with it", async () => {
    const { eventId } = await bench.client.events.ingestEvent({
      ...{ eventType: "invoice_sent", snapshot: { case: "dataJson", value: "{}" } },
    });
    await bench.store.db
      .updateTable("deliveries")
      .set({ state: "succeeded", ...timesIn("succeeded", Date.now()) })
      .execute();
    const { deliveries } = bench.client;
    const [first] = (await deliveries.listDeliveries({ eventId, subscriptionId })).deliveries;
    expect(first?.state).toBe(SUCCEEDED);
    const { delivery } = await deliveries.resendDelivery({ id: first?.id ?? "" });
    expect(delivery?.resendOf).toBe(first?.id);
    expect((await deliveries.getDelivery({ id: first?.id ?? "" })).resentAs).toBe(delivery?.id);
  });
});
