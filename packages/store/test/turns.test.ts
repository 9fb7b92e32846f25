import type { DeliveryId, Pace, SubscriptionId } from "@posthaste/domain";
import { HOUR_MS, MINUTE_MS } from "@posthaste/domain";
import { loadForAttempt, recordAttempt } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { transact } from "../src/database/transact.ts";
import { reserveIn } from "../src/dispatch/reserve-turn.ts";
import {
  claimDeliveries,
  closeStore,
  endSubscription,
  listDeliveries,
  markStarted,
  openStore,
  requestRetry,
  reserveTurn,
  type Turn,
  takeTurn,
  updateSubscription,
} from "../src/index.ts";
import { lockAllTurns } from "../src/subscriptions/pace.ts";
import { attempt, type Bench, NOW, onEachDatabase } from "./fixture.ts";
import { randomFrom } from "./random-from.ts";

/** Creates deliveries whose first attempt failed and whose retry is due at {@link NOW}. */
async function dueRetries({ store, accountId, subscribe, ingest }: Bench, count: number) {
  const { id: subscriptionId } = await subscribe();
  for (let i = 0; i < count; i++) await ingest();
  const claimed = await claimDeliveries(store, {
    owner: "me",
    limit: count,
    inFlightMax: count,
    leaseMs: 1_000,
    now: () => NOW,
  });
  const ids = claimed.map((delivery) => delivery.deliveryId);
  await markStarted(store, { owner: "me", ids, now: NOW });
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
  request: {
    deliveryId: DeliveryId;
    subscriptionId: SubscriptionId;
    number?: number;
    pace: Pace;
    now?: number;
  },
) => takeTurn(store, { number: 2, timeoutMs: 15_000, ...request, now: () => request.now ?? NOW });

onEachDatabase("retries that come due at once", (bench) => {
  test("under a rate wait for position ÷ rate, and each then gets its turn", async () => {
    const { subscriptionId, ids } = await dueRetries(bench(), 20);
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

  test("are sent no faster than the rate and its burst even if all ask late", async () => {
    const { subscriptionId, ids } = await dueRetries(bench(), 20);
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

  test.each<[string, Pace]>([
    ["a place", { rate: null, concurrency: 1 }],
    ["the gate", { rate: { perSecond: 0.1, burst: 1 }, concurrency: 10 }],
  ])("keep their turns for %s, however often their owner asks for one of them", async (_what, pace) => {
    const { store, accountId } = bench();
    const { subscriptionId, ids } = await dueRetries(bench(), 4);
    const turns = new Map<DeliveryId, Turn>();
    for (const deliveryId of ids)
      turns.set(deliveryId, await ask(bench(), { deliveryId, subscriptionId, pace }));
    const [id, first] = [...turns].find(([, turn]) => turn.kind === "wait") ?? [];
    if (id === undefined || first?.kind !== "wait") throw new Error("none of them waits");
    const line = store.db.selectFrom("turns").select(["retry_line_us", "line_us", "gate_us"]);
    const before = await line.execute();
    for (let n = 1; n <= 5; n++) {
      expect(await requestRetry(store, { accountId, id, now: NOW })).toMatchObject({ requested: true });
      expect(await ask(bench(), { deliveryId: id, subscriptionId, pace })).toEqual(first);
    }
    expect(await line.execute()).toEqual(before);
    const now = first.untilMs;
    await recordAttempt(store, {
      deliveryId: ids[0] as DeliveryId,
      attempt: attempt({ number: 2, outcome: "accepted", status: 200 }),
      state: "succeeded",
      nextAttemptAt: null,
      endedReason: null,
      now,
    });
    expect(await ask(bench(), { deliveryId: id, subscriptionId, pace, now })).toMatchObject({ kind: "go" });
  });

  test("stay within the concurrency, and waiting ones spend no attempt", async () => {
    const { store, accountId } = bench();
    const { subscriptionId, ids } = await dueRetries(bench(), 12);
    const pace: Pace = { rate: null, concurrency: 3 };
    const turns = [];
    for (const deliveryId of ids) turns.push(await ask(bench(), { deliveryId, subscriptionId, pace }));
    expect(turns.filter((turn) => turn.kind === "go")).toHaveLength(3);
    const times = turns.flatMap((turn) => (turn.kind === "wait" ? [turn.untilMs] : []));
    expect(new Set(times).size).toBe(9);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const waiting = await listDeliveries(store, { accountId, limit: 50 });
    expect(waiting.every((delivery) => delivery.attempts === 1 && delivery.state === "started")).toBe(true);
    // When one attempt ends, the next retry to ask gets its place.
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

  test("leave half of the places to first attempts", async () => {
    const { store, ingest } = bench();
    const { subscriptionId, ids } = await dueRetries(bench(), 12);
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
    const claimed = await claimDeliveries(store, {
      owner: "me",
      limit: 10,
      inFlightMax: 4,
      leaseMs: 1_000,
      now: () => NOW,
    });
    expect(claimed).toHaveLength(2);
  });

  test("give their place back when the lease of a dead worker expires", async () => {
    const { subscriptionId, ids } = await dueRetries(bench(), 2);
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

onEachDatabase("a subscription's places", (bench) => {
  test("are split evenly between retries and first attempts if both wait", async () => {
    const { store, ingest } = bench();
    const { subscriptionId, ids } = await dueRetries(bench(), 12);
    const pace: Pace = { rate: null, concurrency: 4 };
    const firsts = async () =>
      (
        await claimDeliveries(store, {
          owner: "me",
          limit: 10,
          inFlightMax: 4,
          leaseMs: 60_000,
          now: () => NOW,
        })
      ).length;
    for (const deliveryId of ids.slice(0, 6)) await ask(bench(), { deliveryId, subscriptionId, pace });
    for (let i = 0; i < 10; i++) await ingest();
    // Four retries are in flight and two in line; then two of the four end.
    expect(await firsts()).toBe(0);
    for (const deliveryId of ids.slice(0, 2)) {
      await recordAttempt(store, {
        deliveryId,
        attempt: attempt({ number: 2 }),
        state: "started",
        nextAttemptAt: NOW + 60_000,
        endedReason: null,
        now: NOW,
      });
    }
    const [next] = ids.slice(6) as [DeliveryId];
    expect(await ask(bench(), { deliveryId: next, subscriptionId, pace })).toMatchObject({ kind: "wait" });
    expect(await firsts()).toBe(2);
    expect(await firsts()).toBe(0);
  });

  test("are freed by a retry whose attempt was cut off when its lease expires", async () => {
    const { store } = bench();
    const { subscriptionId, ids } = await dueRetries(bench(), 2);
    const pace: Pace = { rate: null, concurrency: 1 };
    const [cutOff, other] = ids as [DeliveryId, DeliveryId];
    await ask(bench(), { deliveryId: cutOff, subscriptionId, pace });
    const now = NOW + 70_000;
    expect(await loadForAttempt(store, cutOff, NOW)).toMatchObject({ isClaimed: true });
    expect(await loadForAttempt(store, cutOff, now)).toMatchObject({ isClaimed: false });
    expect(await ask(bench(), { deliveryId: other, subscriptionId, pace, now })).toMatchObject({
      kind: "go",
    });
    expect(await ask(bench(), { deliveryId: cutOff, subscriptionId, pace, now })).toMatchObject({
      kind: "wait",
    });
  });

  test("are not waited for by a first attempt, which goes back to the dispatcher", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id: subscriptionId } = await subscribe();
    const pace: Pace = { rate: null, concurrency: 1 };
    await ingest();
    await ingest();
    const [first, second] = (await listDeliveries(store, { accountId, limit: 2 }))
      .map((delivery) => delivery.id)
      .sort() as [DeliveryId, DeliveryId];
    // Unclaimed although its workflow runs, as after a start that was wrongly considered failed.
    const ofFirst = { subscriptionId, number: 1, pace };
    expect(await ask(bench(), { ...ofFirst, deliveryId: first })).toMatchObject({ kind: "go" });
    expect(await ask(bench(), { ...ofFirst, deliveryId: second })).toEqual({ kind: "unclaimed" });
  });
});

onEachDatabase("first attempts under a rate", (bench) => {
  test("are claimed no faster than the rate by all claimers together", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await store.db.updateTable("subscriptions").set({ rate_per_1000s: 10_000, rate_burst: 2 }).execute();
    for (let i = 0; i < 30; i++) await ingest();
    const claimedAt: number[] = [];
    for (let now = NOW; now < NOW + 1_000; now += 50) {
      for (const owner of ["a", "b"]) {
        const claimed = await claimDeliveries(store, {
          owner,
          limit: 100,
          inFlightMax: 100,
          leaseMs: 60_000,
          now: () => now,
        });
        claimedAt.push(...claimed.map(() => now));
      }
    }
    expect(claimedAt.length).toBeLessThanOrEqual(12);
    expect(claimedAt.length).toBeGreaterThanOrEqual(10);
  });

  test("become pending again if their turn is not free", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id: subscriptionId } = await subscribe();
    const pace: Pace = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 10 };
    await ingest();
    await ingest();
    const claimed = await claimDeliveries(store, {
      owner: "me",
      limit: 2,
      inFlightMax: 10,
      leaseMs: 60_000,
      now: () => NOW,
    });
    const [first, second] = claimed.map((delivery) => delivery.deliveryId) as [DeliveryId, DeliveryId];
    const ofFirst = { subscriptionId, number: 1, pace };
    expect(await ask(bench(), { ...ofFirst, deliveryId: first })).toMatchObject({ kind: "go" });
    expect(await ask(bench(), { ...ofFirst, deliveryId: second })).toEqual({ kind: "unclaimed" });
    const rows = await listDeliveries(store, { accountId, state: "pending", limit: 10 });
    expect(rows.map((delivery) => delivery.id)).toContain(second);
    // The dispatcher may mark the start only now, although the workflow has already ended.
    await markStarted(store, { owner: "me", ids: [first, second], now: NOW });
    const [after] = await listDeliveries(store, { accountId, state: "pending", limit: 10 });
    expect(after?.id).toBe(second);
  });

  test("and retries proceed at once after a change to a faster rate", async () => {
    const { store, accountId } = bench();
    const { subscriptionId, ids } = await dueRetries(bench(), 20);
    const slow: Pace = { rate: { perSecond: 0.01, burst: 1 }, concurrency: 10 };
    for (const deliveryId of ids) await ask(bench(), { deliveryId, subscriptionId, pace: slow });
    const rate = { perSecond: 10, burst: 2 };
    await updateSubscription(store, { accountId, id: subscriptionId, rate, now: NOW });
    const [next] = ids.slice(-1) as [DeliveryId];
    const turn = await ask(bench(), { deliveryId: next, subscriptionId, pace: { rate, concurrency: 10 } });
    expect(turn).toEqual({ kind: "go", atMs: NOW });
    await bench().ingest();
    const claim = { owner: "me", limit: 10, inFlightMax: 10, leaseMs: 60_000, now: () => NOW + 1_000 };
    expect(await claimDeliveries(store, claim)).toHaveLength(1);
  });
});

onEachDatabase("the time of a retry", (bench) => {
  const due = NOW + 10 * MINUTE_MS;
  const reserve = (subscriptionId: SubscriptionId, pace: Pace, dueMs = due, now = NOW) =>
    reserveTurn(bench().store, { subscriptionId, pace, dueMs, now });
  const slots = async () => await bench().store.db.selectFrom("turn_slots").selectAll().execute();

  test("is its due time if few others are due", async () => {
    const { id } = await bench().subscribe();
    for (let i = 0; i < 5; i++) {
      const at = await reserve(id, { rate: null, concurrency: 32 });
      expect(at - due).toBeGreaterThanOrEqual(0);
      expect(at - due).toBeLessThan(1_000);
    }
  });

  test("follows position ÷ rate if many are due at once", async () => {
    const { id } = await bench().subscribe();
    const pace: Pace = { rate: { perSecond: 5, burst: 1 }, concurrency: 32 };
    const times: number[] = [];
    for (let i = 0; i < 200; i++) times.push(await reserve(id, pace));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(due);
    // Part of the first slot may have passed, and the retries counted for that part are due at once.
    const later = times.filter((at) => at >= due + 10_000);
    expect(Math.max(...times) - due).toBeGreaterThan(29_000);
    expect(Math.max(...times) - due).toBeLessThan(45_000);
    for (const at of later) {
      expect(later.filter((time) => time >= at && time < at + 1_000).length).toBeLessThanOrEqual(6);
    }
  });

  test("follows all others if the slots of more than a day are full", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const pace: Pace = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 32 };
    const slot = due / 10_000;
    const full = { subscription_id: id, account_id: accountId, slot, last_slot: slot + 10_049 };
    await store.db
      .insertInto("turn_slots")
      .values({ ...full, taken: 1, taken_before: 1 })
      .execute();
    const first = await reserve(id, pace);
    const second = await reserve(id, pace, due + HOUR_MS);
    expect(first - due).toBe(100_500_000);
    expect(second).toBe(first + 10_000);
    expect(await slots()).toHaveLength(1);
  });

  test("passes slots that an earlier release has filled one by one, a hundred at a time", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const pace: Pace = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 32 };
    const rows = Array.from({ length: 250 }, (_, i) => ({
      subscription_id: id,
      account_id: accountId,
      slot: due / 10_000 + i,
      taken: 1,
    }));
    await store.db.insertInto("turn_slots").values(rows).execute();
    const times: number[] = [];
    for (let i = 0; i < 4; i++) times.push((await reserve(id, pace)) - due);
    // Those that find no end stand beside the last slot that they have read.
    for (const [i, most] of [1_100_000, 2_100_000].entries()) {
      expect(times[i]).toBeGreaterThan(most - 200_000);
      expect(times[i]).toBeLessThan(most);
    }
    expect(times.slice(2)).toEqual([2_500_000, 2_510_000]);
    expect(await slots()).toHaveLength(1);
  });

  test("is on time again once a receiver that was slow answers quickly", async () => {
    const { store, subscribe } = bench();
    const { id } = await subscribe();
    const pace: Pace = { rate: null, concurrency: 1 };
    await store.db.updateTable("turns").set({ hold_ms: 10_000 }).execute();
    const slow: number[] = [];
    for (let i = 0; i < 10; i++) slow.push(await reserve(id, pace));
    expect(slow.at(-1)).toBe(due + 90_000);
    await store.db.updateTable("turns").set({ hold_ms: 100 }).execute();
    const quick: number[] = [];
    for (let i = 0; i < 10; i++) quick.push(await reserve(id, pace, due + 40_000));
    expect(quick).toEqual(Array.from({ length: 10 }, (_, i) => due + 40_100 + i * 100));
  });

  test("is the first one with room, also for many retries of one transaction", async () => {
    const { store, subscribe } = bench();
    const ids = [(await subscribe()).id, (await subscribe()).id];
    const pace: Pace = { rate: { perSecond: 0.2, burst: 1 }, concurrency: 32 };
    const random = randomFrom(1);
    const taken = new Map<string, number>();
    for (let round = 0; round < 10; round++) {
      const wanted = Array.from({ length: 60 }, () => ({
        subscriptionId: ids[random() < 0.3 ? 0 : 1] as SubscriptionId,
        pace,
        dueMs: due + Math.floor(random() * 200) * 10_000,
      }));
      const times = await transact(store, async (tx) =>
        reserveIn(tx, wanted, await lockAllTurns(store, tx, ids), NOW),
      );
      const expected = wanted.map(({ subscriptionId, dueMs }) => {
        const place = (at: number) => `${subscriptionId} ${at}`;
        let at = dueMs;
        while ((taken.get(place(at)) ?? 0) >= 2) at += 10_000;
        const before = taken.get(place(at)) ?? 0;
        taken.set(place(at), before + 1);
        return at + before * 5_000;
      });
      expect(times).toEqual(expected);
    }
  });

  test("without a rate follows the duration of recent attempts", async () => {
    const { id } = await bench().subscribe();
    await bench().store.db.updateTable("turns").set({ hold_ms: 15_000 }).execute();
    const times: number[] = [];
    for (let i = 0; i < 100; i++) times.push(await reserve(id, { rate: null, concurrency: 3 }));
    // Three at a time, 15 s each: a hundred take 500 s.
    expect(Math.max(...times) - due).toBeGreaterThan(400_000);
  });

  test("is not delayed by retries due much later or by retries of another subscription", async () => {
    const { id } = await bench().subscribe();
    const { id: other } = await bench().subscribe();
    const pace: Pace = { rate: { perSecond: 1, burst: 1 }, concurrency: 32 };
    for (let i = 0; i < 50; i++) {
      await reserve(id, pace, NOW + 190 * MINUTE_MS);
      await reserve(other, pace);
    }
    expect((await reserve(id, pace)) - due).toBeLessThan(1_000);
  });

  test("differs for each reservation of two concurrent workers", async () => {
    const { id } = await bench().subscribe();
    const second = await openStore({ url: bench().url });
    try {
      const pace: Pace = { rate: { perSecond: 1, burst: 1 }, concurrency: 32 };
      const ask = (store: typeof second) =>
        reserveTurn(store, { subscriptionId: id, pace, dueMs: due, now: NOW });
      const times = await Promise.all(
        Array.from({ length: 40 }, (_, i) => ask(i % 2 === 0 ? second : bench().store)),
      );
      const later = times.filter((at) => at > due + 10_000);
      expect(new Set(later).size).toBe(later.length);
      const places = (await slots()).map(
        ({ slot, last_slot, taken, taken_before }) => taken + (last_slot - slot) * taken_before,
      );
      expect(places.reduce((sum, count) => sum + count, 0)).toBe(40);
    } finally {
      await closeStore(second);
    }
  });

  test("leaves no slot behind once it has passed or its subscription has ended", async () => {
    const { id } = await bench().subscribe();
    const pace: Pace = { rate: null, concurrency: 32 };
    await reserve(id, pace);
    await reserve(id, pace, due + 60 * MINUTE_MS, due + 50 * MINUTE_MS);
    expect(await slots()).toHaveLength(1);
    const { store, accountId } = bench();
    await endSubscription(store, { accountId, id, reason: "test", now: NOW });
    expect(await slots()).toEqual([]);
  });
});
