import type { DeliveryId, DeliveryState, Outcome, SubscriptionId } from "@posthaste/domain";
import { DAY_MS } from "@posthaste/domain";
import { createTestStore, recordAttempt } from "@posthaste/testkit";
import { describe, expect, test } from "vitest";
import { recordAttempts } from "../src/attempts/record-attempt.ts";
import {
  type AttemptToRecord,
  claimDeliveries,
  continueFanout,
  getSubscription,
  listDeliveries,
  listFanouts,
  markStarted,
  pauseSubscription,
  releaseClaims,
  resumeSubscription,
} from "../src/index.ts";
import { attempt, type Bench, benchOn, deliveriesOf, idsIn, NOW, onEachDatabase } from "./fixture.ts";

const RULE = { failingForMs: 5 * DAY_MS, exhausted: 2 };

/** Ingests one event and records one attempt of its delivery to this subscription. */
async function deliver(
  { store, accountId, ingest }: Bench,
  subscriptionId: SubscriptionId,
  { outcome, state, now }: { outcome: Outcome; state: "succeeded" | "exhausted" | "started"; now: number },
  eventType = "invoice_sent",
): Promise<DeliveryId> {
  await ingest({ eventType, now });
  const claimed = await claimDeliveries(store, {
    owner: "me",
    limit: 100,
    inFlightMax: 100,
    leaseMs: 1_000,
    now: () => now,
  });
  const [delivery] = await listDeliveries(store, { accountId, subscriptionId, limit: 1 });
  if (delivery === undefined) throw new Error("no delivery");
  const others = claimed.map(({ deliveryId }) => deliveryId).filter((id) => id !== delivery.id);
  await releaseClaims(store, { owner: "me", ids: others, now });
  await markStarted(store, { owner: "me", ids: [delivery.id], now });
  await recordAttempt(store, {
    deliveryId: delivery.id,
    attempt: attempt({ outcome, status: outcome === "accepted" ? 200 : 500 }),
    state: outcome === "gone" ? "cancelled" : state,
    nextAttemptAt: state === "started" ? now + 600_000 : null,
    endedReason: null,
    disableRule: RULE,
    now,
  });
  return delivery.id;
}
/** Returns the operational events, oldest first. */
const raised = async ({ store }: Bench) =>
  (await store.db.selectFrom("events").selectAll().orderBy("id").execute())
    .filter((event) => /^(delivery|subscription)_/.test(event.event_type))
    .map((event) => ({ type: event.event_type, data: JSON.parse(event.data.toString()) }));
const types = async (bench: Bench) => (await raised(bench)).map((event) => event.type);
const exhausted = (now: number) => ({ outcome: "status" as const, state: "exhausted" as const, now });
const succeeded = (now: number) => ({ outcome: "accepted" as const, state: "succeeded" as const, now });

onEachDatabase("a subscription that keeps failing", (bench) => {
  test("is disabled once enough deliveries are exhausted, and claims park its pending ones", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe();
    const state = async () => (await getSubscription(store, { accountId, id }))?.state;
    await deliver(bench(), id, exhausted(NOW));
    await deliver(bench(), id, exhausted(NOW + DAY_MS));
    expect(await state()).toBe("active");
    await ingest({ now: NOW + 5 * DAY_MS - 1 });
    const waiting = async (): Promise<DeliveryState | undefined> =>
      (await listDeliveries(store, { accountId, limit: 2 }))[1]?.state;
    await deliver(bench(), id, exhausted(NOW + 5 * DAY_MS));
    expect(await state()).toBe("disabled");
    const claim = { owner: "me", limit: 10, inFlightMax: 10, leaseMs: 1_000, now: () => NOW + 5 * DAY_MS };
    expect(await claimDeliveries(store, claim)).toEqual([]);
    expect(await waiting()).toBe("parked");
    await ingest({ now: NOW + 6 * DAY_MS });
    expect((await listDeliveries(store, { accountId, limit: 1 }))[0]?.state).toBe("parked");
    expect(await types(bench())).toEqual([
      "delivery_exhausted",
      "delivery_exhausted",
      "delivery_exhausted",
      "subscription_disabled",
    ]);
    expect((await raised(bench())).at(-1)?.data).toMatchObject({
      SubscriptionID: id,
      State: "disabled",
      FailingSince: new Date(NOW).toISOString(),
      ExhaustedDeliveries: 3,
    });
  });

  test("is not disabled for one exhausted delivery, however old its first failure is", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await deliver(bench(), id, { outcome: "timeout", state: "started", now: NOW });
    await deliver(bench(), id, exhausted(NOW + 9 * DAY_MS));
    expect(await getSubscription(store, { accountId, id })).toMatchObject({ state: "active" });
  });

  test("is not disabled as long as some deliveries succeed", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await deliver(bench(), id, exhausted(NOW));
    await deliver(bench(), id, exhausted(NOW + DAY_MS));
    await deliver(bench(), id, succeeded(NOW + 2 * DAY_MS));
    await deliver(bench(), id, exhausted(NOW + 6 * DAY_MS));
    await deliver(bench(), id, exhausted(NOW + 7 * DAY_MS));
    expect(await getSubscription(store, { accountId, id })).toMatchObject({
      state: "active",
      failingSince: NOW + 6 * DAY_MS,
    });
  });

  test("and was resumed is not disabled until it has failed for as long again", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const found = async () => await getSubscription(store, { accountId, id });
    await deliver(bench(), id, exhausted(NOW));
    await pauseSubscription(store, { accountId, id, now: NOW + DAY_MS });
    await resumeSubscription(store, { accountId, id, now: NOW + 2 * DAY_MS });
    for (let day = 3; day <= 6; day++) await deliver(bench(), id, exhausted(NOW + day * DAY_MS));
    expect(await found()).toMatchObject({ state: "active", failingSince: NOW });
    await deliver(bench(), id, exhausted(NOW + 7 * DAY_MS));
    expect(await found()).toMatchObject({ state: "disabled", failingSince: NOW });
    expect((await raised(bench())).at(-1)?.data).toMatchObject({
      FailingSince: new Date(NOW).toISOString(),
      Reason: `no delivery succeeded since ${new Date(NOW).toISOString()}`,
    });
  });

  test("counts from its first failed attempt, even if that delivery is not exhausted", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await deliver(bench(), id, { outcome: "timeout", state: "started", now: NOW });
    await deliver(bench(), id, exhausted(NOW + 4 * DAY_MS));
    await deliver(bench(), id, exhausted(NOW + 5 * DAY_MS));
    expect(await getSubscription(store, { accountId, id })).toMatchObject({ state: "disabled" });
  });

  test("reports its recovery only after it has reported an exhausted delivery", async () => {
    const { subscribe } = bench();
    const { id } = await subscribe();
    await deliver(bench(), id, { outcome: "status", state: "started", now: NOW });
    await deliver(bench(), id, succeeded(NOW + 1));
    expect(await types(bench())).toEqual([]);
    await deliver(bench(), id, exhausted(NOW + 2));
    await deliver(bench(), id, succeeded(NOW + 3));
    expect(await types(bench())).toEqual(["delivery_exhausted", "subscription_recovered"]);
  });
});

onEachDatabase("operational events", (bench) => {
  test("reach their subscribers, and their own deliveries raise none", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const watcher = await subscribe({ eventTypes: ["delivery_exhausted"] });
    await deliver(bench(), id, exhausted(NOW));
    const [delivery] = await listDeliveries(store, { accountId, subscriptionId: watcher.id, limit: 1 });
    expect(delivery).toMatchObject({ eventType: "delivery_exhausted", state: "pending" });
    if (delivery === undefined) throw new Error("no delivery");
    await recordAttempt(store, {
      deliveryId: delivery.id,
      attempt: attempt(),
      state: "exhausted",
      nextAttemptAt: null,
      endedReason: null,
      now: NOW,
    });
    expect(await types(bench())).toEqual(["delivery_exhausted"]);
  });

  test("of many deliveries that are exhausted at once reach each receiver once, a few in the transaction", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const [EXHAUSTED, RECEIVERS] = [40, 30];
    await subscribe();
    for (let n = 0; n < RECEIVERS; n++) await subscribe({ eventTypes: ["delivery_exhausted"] });
    const records: AttemptToRecord[] = [];
    for (let n = 0; n < EXHAUSTED; n++) {
      const [delivery] = await deliveriesOf(store, (await ingest()).eventId);
      if (delivery === undefined) throw new Error("no delivery");
      records.push({
        ...{ deliveryId: delivery.id, attempt: attempt(), state: "exhausted", now: NOW },
        ...{ nextAttemptAt: null, endedReason: "all attempts failed" },
      });
    }
    await recordAttempts(store, records);
    const notes = () =>
      store.db
        .selectFrom("deliveries")
        .select(["event_id", "subscription_id"])
        .where("event_type", "=", "delivery_exhausted")
        .where("account_id", "=", accountId)
        .execute();
    expect(await notes()).toHaveLength(EXHAUSTED * 12);

    for (const eventId of idsIn(await listFanouts(store, { limit: 100 }))) {
      for (let goesOn = true; goesOn; ) {
        ({ goesOn } = await continueFanout(store, { eventId, now: NOW, deliveriesMax: 100 }));
      }
    }
    const pairs = (await notes()).map((row) => `${row.event_id} ${row.subscription_id}`);
    expect(new Set(pairs).size).toBe(EXHAUSTED * RECEIVERS);
    expect(pairs).toHaveLength(EXHAUSTED * RECEIVERS);
    expect(await types(bench())).toEqual(Array(EXHAUSTED).fill("delivery_exhausted"));
  });

  test("report a subscription that a 410 ended", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await deliver(bench(), id, { outcome: "gone", state: "succeeded", now: NOW });
    expect(await getSubscription(store, { accountId, id })).toMatchObject({ state: "ended" });
    expect(await raised(bench())).toMatchObject([
      { type: "subscription_ended", data: { SubscriptionID: id, State: "ended" } },
    ]);
  });

  test("omit the query of a URL, which may hold a secret", async () => {
    const { subscribe } = bench();
    const { id } = await subscribe({ targetUrl: "https://receiver.example/x?token=hidden" });
    await deliver(bench(), id, exhausted(NOW));
    await deliver(bench(), id, exhausted(NOW + 6 * DAY_MS));
    expect(await types(bench())).toContain("subscription_disabled");
    expect(JSON.stringify(await raised(bench()))).not.toContain("hidden");
  });
});

onEachDatabase("of two attempts that overlap, the one recorded last", (bench) => {
  /** Records the first attempt of a new delivery, which began when the subscription was healthy. */
  async function first({ store, ingest }: Bench, outcome: Outcome, now: number): Promise<void> {
    const { eventId } = await ingest({ now });
    const [delivery] = await deliveriesOf(store, eventId);
    await recordAttempt(store, {
      deliveryId: delivery?.id as DeliveryId,
      attempt: attempt({ outcome, status: outcome === "accepted" ? 200 : 500 }),
      state: outcome === "accepted" ? "succeeded" : "started",
      nextAttemptAt: outcome === "accepted" ? null : now + 600_000,
      endedReason: null,
      wasHealthy: true,
      now,
    });
  }

  test("decides whether the subscription is failing, even if both began while it was healthy", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const failingSince = async () => (await getSubscription(store, { accountId, id }))?.failingSince;
    await first(bench(), "status", NOW);
    expect(await failingSince()).toBe(NOW);
    await first(bench(), "accepted", NOW + 1);
    expect(await failingSince()).toBeNull();
    await first(bench(), "status", NOW + 2);
    expect(await failingSince()).toBe(NOW + 2);
  });

  test("decides within a group as well, and tells the owner of the recovery once", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe({ eventTypes: ["invoice_sent", "subscription_recovered"] });
    const outcomes = ["status", "accepted", "status", "accepted", "accepted"] as const;
    const records: AttemptToRecord[] = [];
    for (const outcome of outcomes) {
      const { eventId } = await ingest();
      const [delivery] = await deliveriesOf(store, eventId);
      records.push({
        deliveryId: delivery?.id as DeliveryId,
        attempt: attempt({ outcome, status: outcome === "accepted" ? 200 : 500 }),
        state: outcome === "accepted" ? "succeeded" : "exhausted",
        nextAttemptAt: null,
        endedReason: null,
        wasHealthy: true,
        now: NOW,
      });
    }
    await recordAttempts(store, records.slice(0, 3));
    expect((await getSubscription(store, { accountId, id }))?.failingSince).toBe(NOW);
    await recordAttempts(store, records.slice(3));
    expect((await getSubscription(store, { accountId, id }))?.failingSince).toBeNull();
    expect((await types(bench())).filter((type) => type === "subscription_recovered")).toHaveLength(2);
  });
});

describe("on MySQL", () => {
  test("the success of a healthy subscription does not wait for the lock of its row", async () => {
    const own = await createTestStore("mysql");
    try {
      const { store, subscribe, ingest } = await benchOn(own);
      await subscribe();
      const { eventId } = await ingest();
      const [delivery] = await deliveriesOf(store, eventId);
      const holder = await store.db.startTransaction().execute();
      await holder.selectFrom("subscriptions").select("id").forUpdate().execute();
      const recorded = await recordAttempt(store, {
        deliveryId: delivery?.id as DeliveryId,
        attempt: attempt({ outcome: "accepted", status: 200 }),
        state: "succeeded",
        nextAttemptAt: null,
        endedReason: null,
        wasHealthy: true,
        now: NOW,
      });
      await holder.rollback().execute();
      expect(recorded).toMatchObject({ kind: "recorded" });
    } finally {
      await own.dispose();
    }
  });
});
