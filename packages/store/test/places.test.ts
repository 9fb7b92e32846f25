import type { DeliveryId } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  claimDeliveries,
  drainSubscription,
  markStarted,
  parkDelivery,
  pauseSubscription,
  releaseClaims,
  reserveTurn,
  resumeSubscription,
  takeTurn,
} from "../src/index.ts";
import { attempt, deliveriesOf, NOW, onEachDatabase } from "./fixture.ts";

const RETRY_AT = NOW + 600_000;
/** As many as the subscription's rate allows in the next hour. */
const SLOTS_TAKEN = 360;

onEachDatabase("a place among a subscription's attempts", (bench) => {
  const claim = async (owner: string, now: number) =>
    await claimDeliveries(bench().store, {
      owner,
      limit: 50,
      inFlightMax: 32,
      leaseMs: 30_000,
      now: () => now,
    });

  async function onlyDelivery(): Promise<DeliveryId> {
    const { eventId } = await bench().ingest();
    const [delivery] = await deliveriesOf(bench().store, eventId);
    if (delivery === undefined) throw new Error("there is no delivery");
    return delivery.id;
  }

  test.each(["before", "after"] as const)(
    "is not held by a drained retry that waits for its turn, reserved %s its start is written",
    async (order) => {
      const { store, accountId, subscribe, ingest } = bench();
      const { id: subscriptionId } = await subscribe();
      const pace = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 1 };
      await store.db.updateTable("subscriptions").set({ concurrency: 1 }).execute();
      const deliveryId = await onlyDelivery();
      await claim("me", NOW);
      await markStarted(store, { owner: "me", ids: [deliveryId], now: NOW });
      await recordAttempt(store, {
        deliveryId,
        attempt: attempt(),
        state: "started",
        nextAttemptAt: RETRY_AT,
        pace,
        endedReason: null,
        now: NOW,
      });
      const subscription = { accountId, id: subscriptionId, now: RETRY_AT };
      await pauseSubscription(store, subscription);
      await parkDelivery(store, { id: deliveryId, subscriptionId, number: 2, now: RETRY_AT });
      const turn = { subscriptionId, pace, dueMs: RETRY_AT, now: RETRY_AT };
      for (let i = 0; i < SLOTS_TAKEN; i++) await reserveTurn(store, turn);
      await resumeSubscription(store, subscription);
      await drainSubscription(store, subscription);

      expect(await claim("me", RETRY_AT)).toMatchObject([{ deliveryId, lane: "workflow" }]);
      const start = () => markStarted(store, { owner: "me", ids: [deliveryId], now: RETRY_AT });
      if (order === "after") await start();
      const delivery = { id: deliveryId, attempts: 1, nextAttemptAt: RETRY_AT };
      const atMs = await reserveTurn(store, { ...turn, delivery });
      if (order === "before") await start();

      const row = await store.db.selectFrom("deliveries").selectAll().executeTakeFirstOrThrow();
      expect(row).toMatchObject({
        state: "started",
        next_attempt_at: atMs,
        turn_at: atMs,
        in_flight_of: null,
      });
      await drainSubscription(store, subscription);
      await ingest({ now: RETRY_AT });
      expect(await claim("me", RETRY_AT)).toHaveLength(1);
    },
  );

  test("is held for seconds only, not minutes, by a start that may have found a workflow about to end", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id: subscriptionId } = await subscribe();
    await store.db.updateTable("subscriptions").set({ concurrency: 1 }).execute();
    const pace = { rate: null, concurrency: 1 };
    const reconcileAfter = async (now: number) => {
      await claim("me", now);
      await markStarted(store, { owner: "me", ids: [deliveryId], now });
      const one = store.db.selectFrom("deliveries").select("reconcile_after").where("id", "=", deliveryId);
      return (await one.executeTakeFirst())?.reconcile_after;
    };
    const deliveryId = await onlyDelivery();
    expect(await reconcileAfter(NOW)).toBe(NOW + 120_000);

    // Its attempt finds the only place taken, and its workflow ends.
    await store.db
      .updateTable("deliveries")
      .set({ in_flight_of: null, lease_until: null })
      .where("id", "=", deliveryId)
      .execute();
    await ingest();
    await claim("me", NOW);
    const turn = await takeTurn(store, {
      deliveryId,
      subscriptionId,
      number: 1,
      pace,
      timeoutMs: 1,
      now: () => NOW + 1,
    });
    expect(turn).toEqual({ kind: "unclaimed" });
    await store.db.deleteFrom("deliveries").where("id", "!=", deliveryId).execute();
    expect(await reconcileAfter(NOW + 50)).toBe(NOW + 5_050);

    // Its subscription is paused and soon resumed.
    const at = (now: number) => ({ accountId, id: subscriptionId, now });
    await pauseSubscription(store, at(NOW + 100));
    const first = { id: deliveryId, subscriptionId, number: 1 };
    expect(await parkDelivery(store, { ...first, now: NOW + 100 })).toBe("parked");
    await resumeSubscription(store, at(NOW + 150));
    await drainSubscription(store, at(NOW + 150));
    expect(await reconcileAfter(NOW + 150)).toBe(NOW + 5_150);
  });

  test("is not given back by a worker whose claim has expired and was taken over", async () => {
    const { store, subscribe } = bench();
    await subscribe();
    const deliveryId = await onlyDelivery();
    expect(await claim("dead", NOW)).toHaveLength(1);
    expect(await claim("living", NOW + 31_000)).toHaveLength(1);
    await releaseClaims(store, { owner: "dead", ids: [deliveryId], now: NOW + 32_000 });
    expect(await claim("third", NOW + 33_000)).toEqual([]);
    await releaseClaims(store, { owner: "living", ids: [deliveryId], now: NOW + 34_000 });
    expect(await claim("third", NOW + 35_000)).toHaveLength(1);
  });
});
