import type { DeliveryId, Pace, SubscriptionId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { claimDeliveries, listDeliveries, markStarted, recordAttempt, takeTurn } from "../src/index.ts";
import { attempt, type Bench, NOW, onEachDatabase } from "./fixture.ts";

/** Deliveries whose first attempt failed and whose retry is due. */
async function retriesDue({ store, accountId, subscribe, ingest }: Bench, count: number) {
  const { id: subscriptionId } = await subscribe();
  for (let i = 0; i < count; i++) await ingest();
  const { claimed } = await claimDeliveries(store, {
    owner: "me",
    limit: count,
    inFlightMax: count,
    leaseMs: 1_000,
    now: NOW,
  });
  const ids = claimed.map((delivery) => delivery.deliveryId);
  await markStarted(store, { ids, now: NOW });
  for (const deliveryId of ids) {
    await recordAttempt(store, {
      deliveryId,
      attempt: attempt(),
      state: "started",
      nextAttemptAt: NOW,
      endedReason: null,
      now: NOW,
    });
  }
  expect(await listDeliveries(store, { accountId, limit: 500 })).toHaveLength(count);
  return { subscriptionId, ids };
}
const ask = (
  { store }: Bench,
  of: { deliveryId: DeliveryId; subscriptionId: SubscriptionId; pace: Pace; now?: number },
) => takeTurn(store, { timeoutMs: 15_000, now: NOW, ...of });

onEachDatabase("retries that come due at once", (bench) => {
  test("under a rate wait their turn by position ÷ rate, and each gets it", async () => {
    const { subscriptionId, ids } = await retriesDue(bench(), 20);
    const pace: Pace = { rate: { perSecond: 10, burst: 2 }, concurrency: 100 };
    const turns = [];
    for (const deliveryId of ids) turns.push(await ask(bench(), { deliveryId, subscriptionId, pace }));
    expect(turns.slice(0, 2)).toEqual([
      { kind: "go", atMs: NOW },
      { kind: "go", atMs: NOW },
    ]);
    const waits = turns.slice(2).map((turn) => (turn.kind === "wait" ? turn.untilMs - NOW : 0));
    expect(waits).toEqual(Array.from({ length: 18 }, (_, i) => (i + 1) * 100));
    for (const [i, deliveryId] of ids.slice(2).entries()) {
      const now = NOW + (waits[i] ?? 0);
      expect(await ask(bench(), { deliveryId, subscriptionId, pace, now })).toEqual({
        kind: "go",
        atMs: now,
      });
    }
  });

  test("and come late in a heap are still sent no faster than the rate and its burst", async () => {
    const { subscriptionId, ids } = await retriesDue(bench(), 20);
    const pace: Pace = { rate: { perSecond: 10, burst: 2 }, concurrency: 100 };
    for (const deliveryId of ids) await ask(bench(), { deliveryId, subscriptionId, pace });
    const late = NOW + 60_000;
    const sent: number[] = [];
    for (const deliveryId of ids.slice(2)) {
      const turn = await ask(bench(), { deliveryId, subscriptionId, pace, now: late });
      if (turn.kind === "go") sent.push(turn.atMs);
    }
    expect(sent.length).toBeGreaterThan(5);
    for (const at of sent) {
      expect(sent.filter((time) => time >= at && time < at + 1_000).length).toBeLessThanOrEqual(12);
    }
  });

  test("are under way no more at once than the concurrency says; the others hold no place and spend no attempt", async () => {
    const { store, accountId } = bench();
    const { subscriptionId, ids } = await retriesDue(bench(), 12);
    const pace: Pace = { rate: null, concurrency: 3 };
    const turns = [];
    for (const deliveryId of ids) turns.push(await ask(bench(), { deliveryId, subscriptionId, pace }));
    expect(turns.filter((turn) => turn.kind === "go")).toHaveLength(3);
    const times = turns.flatMap((turn) => (turn.kind === "wait" ? [turn.untilMs] : []));
    expect(new Set(times).size).toBe(9);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const waiting = await listDeliveries(store, { accountId, limit: 50 });
    expect(waiting.every((delivery) => delivery.attempts === 1 && delivery.state === "started")).toBe(true);
    // One is done: the next that asks has its place.
    const [done, , , next] = ids as [DeliveryId, DeliveryId, DeliveryId, DeliveryId];
    await recordAttempt(store, {
      deliveryId: done,
      attempt: attempt({ number: 2 }),
      state: "started",
      nextAttemptAt: NOW + 1,
      endedReason: null,
      now: NOW,
    });
    expect(await ask(bench(), { deliveryId: next, subscriptionId, pace })).toMatchObject({ kind: "go" });
  });

  test("leave half of the places to first attempts, and the other way round", async () => {
    const { store, ingest } = bench();
    const { subscriptionId, ids } = await retriesDue(bench(), 12);
    const pace: Pace = { rate: null, concurrency: 4 };
    for (const deliveryId of ids) await ask(bench(), { deliveryId, subscriptionId, pace });
    for (const deliveryId of ids.slice(0, 4)) {
      await recordAttempt(store, {
        deliveryId,
        attempt: attempt({ number: 2 }),
        state: "started",
        nextAttemptAt: NOW + 60_000,
        endedReason: null,
        now: NOW,
      });
    }
    for (let i = 0; i < 10; i++) await ingest();
    const { claimed } = await claimDeliveries(store, {
      owner: "me",
      limit: 10,
      inFlightMax: 4,
      leaseMs: 1_000,
      now: NOW,
    });
    expect(claimed).toHaveLength(2);
  });

  test("whose worker died give their place back when its lease is over", async () => {
    const { subscriptionId, ids } = await retriesDue(bench(), 2);
    const pace: Pace = { rate: null, concurrency: 1 };
    const [first, second] = ids as [DeliveryId, DeliveryId];
    expect(await ask(bench(), { deliveryId: first, subscriptionId, pace })).toMatchObject({ kind: "go" });
    expect(await ask(bench(), { deliveryId: second, subscriptionId, pace })).toMatchObject({ kind: "wait" });
    const now = NOW + 70_000;
    expect(await ask(bench(), { deliveryId: second, subscriptionId, pace, now })).toMatchObject({
      kind: "go",
    });
  });
});

onEachDatabase("first attempts under a rate", (bench) => {
  test("are claimed no faster than it, whoever claims", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await store.db.updateTable("subscriptions").set({ rate_per_1000s: 10_000, rate_burst: 2 }).execute();
    for (let i = 0; i < 30; i++) await ingest();
    const claimedAt: number[] = [];
    for (let now = NOW; now < NOW + 1_000; now += 50) {
      for (const owner of ["a", "b"]) {
        const { claimed } = await claimDeliveries(store, {
          owner,
          limit: 100,
          inFlightMax: 100,
          leaseMs: 60_000,
          now,
        });
        claimedAt.push(...claimed.map(() => now));
      }
    }
    expect(claimedAt.length).toBeLessThanOrEqual(12);
    expect(claimedAt.length).toBeGreaterThanOrEqual(10);
  });

  test("that could not be sent in time are pending again", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id: subscriptionId } = await subscribe();
    const pace: Pace = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 10 };
    await ingest();
    await ingest();
    const { claimed } = await claimDeliveries(store, {
      owner: "me",
      limit: 2,
      inFlightMax: 10,
      leaseMs: 60_000,
      now: NOW,
    });
    const [first, second] = claimed.map((delivery) => delivery.deliveryId) as [DeliveryId, DeliveryId];
    expect(await ask(bench(), { deliveryId: first, subscriptionId, pace })).toMatchObject({ kind: "go" });
    expect(await ask(bench(), { deliveryId: second, subscriptionId, pace })).toEqual({ kind: "unclaimed" });
    const rows = await listDeliveries(store, { accountId, state: "pending", limit: 10 });
    expect(rows.map((delivery) => delivery.id)).toContain(second);
  });
});
