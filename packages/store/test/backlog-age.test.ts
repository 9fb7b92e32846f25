import type { DeliveryId, Line, SubscriptionId } from "@posthaste/domain";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "@posthaste/domain";
import { beforeEach, expect, test } from "vitest";
import {
  advanceRecovery,
  claimDeliveries,
  createRecovery,
  markStarted,
  measureBacklog,
  pauseSubscription,
  resumeSubscription,
} from "../src/index.ts";
import { drainAll, NOW, onEachDatabase, recordAccepted } from "./fixture.ts";

/*
 * The backlog's age wakes somebody up, so it tells only of what Posthaste could send now and does not. What
 * an owner holds back is no backlog of that kind.
 */

/** A process creates no id that is older than its last one, so each test begins a day later. */
let start = NOW;
beforeEach(() => {
  start += DAY_MS;
});

onEachDatabase("the age of the backlog", (bench) => {
  const ageMs = async (now: number) => {
    const { oldestPendingAt } = await measureBacklog(bench().store, { now, inFlightMax: 10 });
    return oldestPendingAt === null ? null : now - oldestPendingAt;
  };
  const claim = (now: number) =>
    claimDeliveries(bench().store, {
      owner: "me",
      limit: 10,
      inFlightMax: 10,
      leaseMs: MINUTE_MS,
      now: () => now,
    });
  const limitRate = (id: SubscriptionId) =>
    bench()
      .store.db.updateTable("subscriptions")
      .set({ rate_per_1000s: 1_000, rate_burst: 1 })
      .where("id", "=", id)
      .execute();

  test("counts from the ingest of a delivery that waits for a dispatcher", async () => {
    const { subscribe, ingest } = bench();
    expect(await ageMs(start)).toBeNull();
    await subscribe();
    await ingest({ now: start });
    await ingest({ now: start + MINUTE_MS });
    expect(await ageMs(start + 5 * MINUTE_MS)).toBe(5 * MINUTE_MS);
  });

  test("leaves out a subscription that is drained after a pause, and not the others", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await ingest({ now: start });
    const at = { accountId, id, now: start + HOUR_MS };
    await pauseSubscription(store, at);
    await claim(start + HOUR_MS);
    await resumeSubscription(store, at);
    expect(await drainAll(store, start + HOUR_MS)).toBe(1);
    expect((await measureBacklog(store, { now: start + HOUR_MS, inFlightMax: 10 })).pending).toBe(1);
    expect(await ageMs(start + HOUR_MS)).toBeNull();
    await subscribe({ eventTypes: ["invoice_paid"] });
    await ingest({ eventType: "invoice_paid", now: start + HOUR_MS });
    expect(await ageMs(start + HOUR_MS + MINUTE_MS)).toBe(MINUTE_MS);
  });

  test("leaves out a subscription whose owner's rate lets no more through, until it misses its turn", async () => {
    const { subscribe, ingest } = bench();
    const { id } = await subscribe();
    await limitRate(id);
    for (let n = 0; n < 3; n++) await ingest({ now: start });
    expect(await claim(start + HOUR_MS)).toHaveLength(1);
    expect(await ageMs(start + HOUR_MS)).toBeNull();
    // Its next turn was a second after that, and nobody took it.
    expect(await ageMs(start + HOUR_MS + MINUTE_MS)).toBe(HOUR_MS + MINUTE_MS);
  });

  test.each([
    ["its owner's concurrency", 2],
    ["the default concurrency", null],
  ] as const)("leaves out a subscription whose attempts fill %s, until one ends", async (_, concurrency) => {
    const { store, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await store.db.updateTable("subscriptions").set({ concurrency }).where("id", "=", id).execute();
    const places = concurrency ?? 10;
    for (let n = 0; n <= places; n++) await ingest({ now: start });
    const now = start + HOUR_MS;
    const ids = (await claim(now)).map(({ deliveryId }) => deliveryId);
    expect(ids).toHaveLength(places);
    await markStarted(store, { owner: "me", ids, now });
    expect(await ageMs(now + MINUTE_MS)).toBeNull();
    await recordAccepted(store, ids[0] ?? ("" as DeliveryId), now + MINUTE_MS);
    expect(await ageMs(now + MINUTE_MS)).toBe(HOUR_MS + MINUTE_MS);
  });

  test("counts a subscription whose places are taken by attempts that Posthaste does not make", async () => {
    const { store, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await store.db.updateTable("subscriptions").set({ concurrency: 1 }).where("id", "=", id).execute();
    for (let n = 0; n < 2; n++) await ingest({ now: start });
    const ids = (await claim(start)).map(({ deliveryId }) => deliveryId);
    await markStarted(store, { owner: "me", ids, now: start });
    expect(await ageMs(start + MINUTE_MS)).toBeNull();
    expect(await ageMs(start + 2 * MINUTE_MS)).toBe(2 * MINUTE_MS);
  });

  test("leaves out a replay while one of its attempts is under way, and not its subscription", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    for (let n = 0; n < 3; n++) await ingest({ now: start });
    const { id: subscriptionId } = await subscribe({ now: start });
    const replay = { accountId, kind: "replay" as const, subscriptionId, isDryRun: false };
    const now = start + HOUR_MS;
    const times = { sinceAt: 0, untilAt: now, now, ratePerSecond: 100 };
    const { id } = await createRecovery(store, { ...replay, ...times });
    await advanceRecovery(store, { id, limit: 500, now });
    expect(await ageMs(now + MINUTE_MS)).toBe(MINUTE_MS);
    const ids = (await claim(now)).map(({ deliveryId }) => deliveryId);
    await markStarted(store, { owner: "me", ids, now });
    expect(await ageMs(now + MINUTE_MS)).toBeNull();
    await ingest({ now: now + 1_000 });
    expect(await ageMs(now + MINUTE_MS)).toBe(MINUTE_MS - 1_000);
    // An attempt that Posthaste does not make holds nothing back.
    expect(await ageMs(now + 3 * MINUTE_MS)).toBe(3 * MINUTE_MS);
  });

  test("finds the oldest delivery behind many that are held back", async () => {
    const { subscribe, ingest } = bench();
    const held = await Promise.all(Array.from({ length: 70 }, () => subscribe()));
    await ingest({ now: start });
    for (const { id } of held) await limitRate(id);
    await claim(start + HOUR_MS);
    await bench()
      .store.db.updateTable("turns")
      .set({ line_us: ((start + 2 * HOUR_MS) * 1_000) as Line })
      .execute();
    expect(await ageMs(start + HOUR_MS)).toBeNull();
    await subscribe({ eventTypes: ["invoice_paid"] });
    await ingest({ eventType: "invoice_paid", now: start + MINUTE_MS });
    expect(await ageMs(start + HOUR_MS)).toBe(HOUR_MS - MINUTE_MS);
  });
});
