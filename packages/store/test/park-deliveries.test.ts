import type { DeliveryId, Line, SubscriptionId } from "@posthaste/domain";
import { recordAttempt, timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  adoptStrays,
  type Claim,
  claimDeliveries,
  closeStore,
  createTestDelivery,
  endSubscription,
  getSubscription,
  ingestEvents,
  listDeliveries,
  listParked,
  markStarted,
  openStore,
  parkDelivery,
  pauseSubscription,
  resumeSubscription,
  subscriptionHealth,
  takeTurn,
} from "../src/index.ts";
import { attempt, type Bench, drainAll, idsIn, NOW, onEachDatabase, recordAccepted } from "./fixture.ts";
import { insertDeliveries } from "./many-rows.ts";

const states = async ({ store, accountId }: Bench) =>
  (await listDeliveries(store, { accountId, limit: 500 })).map((delivery) => delivery.state);
const claim = async ({ store }: Bench, over: Partial<Claim> = {}) =>
  (
    await claimDeliveries(store, {
      owner: "me",
      limit: 100,
      inFlightMax: 50,
      leaseMs: 30_000,
      now: () => NOW,
      drainPerSecond: 1_000,
      ...over,
    })
  ).map((delivery) => delivery.deliveryId);
const succeed = async ({ store }: Bench, deliveryId: DeliveryId, now = NOW) => {
  await markStarted(store, { owner: "me", ids: [deliveryId], now });
  await recordAccepted(store, deliveryId, now);
};
const target = (bench: Bench, id: SubscriptionId) => ({ accountId: bench.accountId, id, now: NOW });

onEachDatabase("a paused subscription", (bench) => {
  test("has its pending and its new deliveries parked, and none is claimed", async () => {
    const { store, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await ingest();
    expect(await pauseSubscription(store, target(bench(), id))).toMatchObject({ state: "paused" });
    await ingest();
    expect(await states(bench())).toEqual(["parked", "parked"]);
    expect(await claim(bench())).toEqual([]);
  });

  test("parks a delivery of a concurrent ingest when a claim finds it pending", async () => {
    const { store, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await ingest();
    await pauseSubscription(store, target(bench(), id));
    await store.db
      .updateTable("deliveries")
      .set({ state: "pending", ...timesIn("pending", NOW) })
      .execute();
    expect(await claim(bench())).toEqual([]);
    expect(await states(bench())).toEqual(["parked"]);
  });

  test("leaves a claimed delivery alone, and a resume does not send it a second time", async () => {
    const { store, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await ingest();
    const [claimed] = await claim(bench());
    await pauseSubscription(store, target(bench(), id));
    expect(await claim(bench())).toEqual([]);
    await resumeSubscription(store, target(bench(), id));
    await drainAll(store, NOW);
    expect(await claim(bench())).toEqual([]);
    await pauseSubscription(store, target(bench(), id));
    expect(await claim(bench(), { now: () => NOW + 30_001 })).toEqual([]);
    expect(await listDeliveries(store, { accountId: bench().accountId, limit: 1 })).toMatchObject([
      { id: claimed, state: "parked" },
    ]);
  });

  test("parks a retry that is due, and keeps its attempts", async () => {
    const { store, subscribe, ingest } = bench();
    const { id: subscriptionId } = await subscribe();
    await ingest();
    const [id] = (await claim(bench())) as [DeliveryId];
    await markStarted(store, { owner: "me", ids: [id], now: NOW });
    await recordAttempt(store, {
      deliveryId: id,
      attempt: attempt(),
      state: "started",
      nextAttemptAt: NOW + 1,
      endedReason: null,
      now: NOW,
    });
    expect(await parkDelivery(store, { id, subscriptionId, number: 1, now: NOW })).toBe("active");
    await pauseSubscription(store, target(bench(), subscriptionId));
    expect(await parkDelivery(store, { id, subscriptionId, number: 2, now: NOW })).toBe("parked");
    const [parked] = await listDeliveries(store, { accountId: bench().accountId, limit: 1 });
    expect(parked).toMatchObject({ state: "parked", attempts: 1, nextAttemptAt: null });
  });

  test("still gets test events", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await pauseSubscription(store, target(bench(), id));
    await createTestDelivery(store, {
      accountId,
      subscriptionId: id,
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      now: NOW,
    });
    expect(await claim(bench())).toHaveLength(1);
  });

  test("that is resumed still fails, and what was exhausted before does not count", async () => {
    const { store, subscribe } = bench();
    const { id } = await subscribe();
    await store.db
      .updateTable("subscriptions")
      .set({ failing_since: NOW - 1, exhausted: 2 })
      .execute();
    expect(await pauseSubscription(store, target(bench(), id))).toMatchObject({ failingSince: NOW - 1 });
    expect(await resumeSubscription(store, target(bench(), id))).toMatchObject({ failingSince: NOW - 1 });
    const { exhausted } = await store.db
      .selectFrom("subscriptions")
      .select("exhausted")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    expect(exhausted).toBe(0);
  });

  test("that ends has its parked deliveries cancelled, and can be neither paused nor resumed", async () => {
    const { store, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await pauseSubscription(store, target(bench(), id));
    await ingest();
    await endSubscription(store, { ...target(bench(), id), reason: "test" });
    expect(await states(bench())).toEqual(["cancelled"]);
    await expect(pauseSubscription(store, target(bench(), id))).rejects.toMatchObject({
      code: "wrong_state",
    });
    await expect(resumeSubscription(store, target(bench(), id))).rejects.toMatchObject({
      code: "wrong_state",
    });
  });

  test("of another account is not found", async () => {
    const { store, subscribe } = bench();
    const { id } = await subscribe();
    const foreign = { accountId: 999 as never, id, now: NOW };
    expect(await pauseSubscription(store, foreign)).toBeUndefined();
    expect(await resumeSubscription(store, foreign)).toBeUndefined();
    expect(await subscriptionHealth(store, foreign)).toBeUndefined();
  });
});

onEachDatabase("a resumed subscription", (bench) => {
  test("gets first attempts one at a time in ingest order, new events last", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await pauseSubscription(store, target(bench(), id));
    for (let i = 0; i < 40; i++) await ingest({ now: NOW + i });
    await resumeSubscription(store, target(bench(), id));
    await ingest({ now: NOW + 100 });
    const order: DeliveryId[] = [];
    for (let now = NOW + 1_000; order.length < 41; now += 10) {
      await drainAll(store, now);
      const claimed = await claim(bench(), { now: () => now });
      expect(claimed.length).toBeLessThanOrEqual(1);
      // No other delivery is claimed while one is in flight.
      expect(await claim(bench(), { now: () => now + 1 })).toEqual([]);
      for (const deliveryId of claimed) await succeed(bench(), deliveryId, now);
      order.push(...claimed);
    }
    expect(order).toEqual([...order].sort());
    expect(new Set(order).size).toBe(41);
    await drainAll(store, NOW + 2_000);
    expect(await getSubscription(store, { accountId, id })).toMatchObject({ isDraining: false });
    for (let i = 0; i < 5; i++) await ingest({ now: NOW + 3_000 });
    expect(await claim(bench(), { now: () => NOW + 3_000 })).toHaveLength(5);
  });

  test("is drained no faster than the drain rate", async () => {
    const { store, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await pauseSubscription(store, target(bench(), id));
    for (let i = 0; i < 10; i++) await ingest();
    await resumeSubscription(store, target(bench(), id));
    await drainAll(store, NOW);
    let sent = 0;
    for (let now = NOW; now < NOW + 1_000; now += 20) {
      for (const deliveryId of await claim(bench(), { drainPerSecond: 5, now: () => now })) {
        await succeed(bench(), deliveryId, now);
        sent += 1;
      }
    }
    expect(sent).toBe(5);
  });

  test("is drained beside retries in flight and retries in line", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id: subscriptionId } = await subscribe();
    const pace = { rate: null, concurrency: 3 };
    for (let i = 0; i < 5; i++) await ingest();
    for (const deliveryId of await claim(bench())) {
      await markStarted(store, { owner: "me", ids: [deliveryId], now: NOW });
      await recordAttempt(store, {
        deliveryId,
        attempt: attempt(),
        state: "started",
        nextAttemptAt: NOW,
        endedReason: null,
        now: NOW,
      });
    }
    await pauseSubscription(store, target(bench(), subscriptionId));
    await ingest();
    await resumeSubscription(store, target(bench(), subscriptionId));
    await drainAll(store, NOW);
    const retries = await listDeliveries(store, { accountId, state: "started", limit: 10 });
    for (const { id } of retries.slice(0, 2)) {
      const next = { deliveryId: id, subscriptionId, number: 2 };
      await takeTurn(store, { ...next, pace, timeoutMs: 15_000, now: () => NOW });
    }
    await store.db
      .updateTable("turns")
      .set({ retry_line_us: ((NOW + 600_000) * 1_000) as Line })
      .execute();
    expect(await claim(bench())).toHaveLength(1);
  });

  // Fewer than a drain keeps ahead, more, and more than it examines in one step.
  test.each([8, 40, 2_500])(
    "gets first attempts behind %i retries that nobody may start",
    async (retries) => {
      const { store, accountId, subscribe, ingest } = bench();
      const { id } = await subscribe();
      await pauseSubscription(store, target(bench(), id));
      await insertDeliveries(store, [
        { account: accountId, count: retries, state: "parked", subscriptions: 1, first: id },
      ]);
      await store.db.updateTable("deliveries").set({ attempts: 1 }).execute();
      for (let n = 0; n < 40; n++) await ingest();
      const parked = store.db.selectFrom("deliveries").select("id").where("state", "=", "parked");
      const expected = (await parked.where("attempts", "=", 0).orderBy("id").execute()).map((row) => row.id);
      await resumeSubscription(store, target(bench(), id));
      const made: DeliveryId[] = [];
      for (let second = 1; made.length < expected.length && second <= 80; second++) {
        const now = NOW + second * 1_000;
        await drainAll(store, now);
        const direct = { lane: "direct", laneDefault: "direct", roomToStart: () => 0 } as const;
        const claimed = await claim(bench(), { ...direct, now: () => now });
        for (const deliveryId of claimed) await succeed(bench(), deliveryId, now);
        made.push(...claimed);
      }
      expect(made).toEqual(expected);
      const waiting = store.db.selectFrom("deliveries").select("id").where("account_id", "=", accountId);
      expect(await waiting.where("state", "in", ["pending", "parked"]).execute()).toHaveLength(retries);
    },
  );

  test("paused again in the middle keeps the rest parked", async () => {
    const { store, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await pauseSubscription(store, target(bench(), id));
    for (let i = 0; i < 40; i++) await ingest();
    await resumeSubscription(store, target(bench(), id));
    expect(await drainAll(store, NOW)).toBe(32);
    await pauseSubscription(store, target(bench(), id));
    expect(new Set(await states(bench()))).toEqual(new Set(["parked"]));
    expect(await drainAll(store, NOW)).toBe(0);
  });

  test("drains a stray that a concurrent ingest parked after the drain had ended", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await ingest();
    await store.db
      .updateTable("deliveries")
      .set({ state: "parked", ...timesIn("parked", NOW) })
      .execute();
    expect(await drainAll(store, NOW)).toBe(0);
    const strays = idsIn(await listParked(store, { limit: 10 }));
    for (const stray of strays) expect(await adoptStrays(store, stray)).toBe(true);
    expect(strays).toHaveLength(1);
    expect(await drainAll(store, NOW)).toBe(1);
  });

  test("drained by two workers at once gets each delivery once and in order", async () => {
    const { store, url, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await pauseSubscription(store, target(bench(), id));
    for (let i = 0; i < 20; i++) await ingest({ now: NOW + i });
    await resumeSubscription(store, target(bench(), id));
    const second = await openStore({ url });
    try {
      const order: DeliveryId[] = [];
      for (let now = NOW + 100; order.length < 20; now += 10) {
        await Promise.all([drainAll(store, now), drainAll(second, now)]);
        const both = await Promise.all([
          claim(bench(), { now: () => now }),
          claim({ ...bench(), store: second }, { now: () => now }),
        ]);
        const claimed = both.flat();
        expect(claimed.length).toBeLessThanOrEqual(1);
        for (const deliveryId of claimed) await succeed(bench(), deliveryId, now);
        order.push(...claimed);
      }
      expect(order).toEqual([...order].sort());
    } finally {
      await closeStore(second);
    }
  });
});

onEachDatabase("an operational event", (bench) => {
  test("is not part of `*`, and reaches only those who subscribe to it by name", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe({ eventTypes: ["*"] });
    const named = await subscribe({ eventTypes: ["delivery_exhausted"] });
    await ingestEvents(store, {
      accountId,
      now: NOW,
      deliveriesMax: 10,
      events: [
        {
          eventType: "delivery_exhausted",
          data: Buffer.from("{}"),
          idempotencyKey: null,
        },
      ],
    });
    const deliveries = await listDeliveries(store, { accountId, limit: 10 });
    expect(deliveries.map((delivery) => delivery.subscriptionId)).toEqual([named.id]);
  });
});
