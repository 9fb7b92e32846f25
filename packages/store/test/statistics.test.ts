import type { DeliveryId } from "@posthaste/domain";
import { DAY_MS } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import { beforeEach, expect, test } from "vitest";
import {
  accountBacklog,
  addCounts,
  cancelDelivery,
  claimDeliveries,
  continueFanout,
  countChanges,
  createAccount,
  forgetOldCounts,
  listDeliveries,
  markStarted,
  NO_COUNTS,
  orderChanges,
  pauseSubscription,
  quantileMs,
  readStatistics,
  resendDelivery,
  resumeSubscription,
} from "../src/index.ts";
import { attempt, type Bench, drainAll, NOW, onEachDatabase } from "./fixture.ts";

const QUARTER_MS = 900_000;

// Ids never go back within a process and carry the time of a delivery, so each test is later than the last.
let now = NOW;
beforeEach(() => {
  now += 60 * DAY_MS;
});

/** Counts all changes and returns the account's totals, by default for the half hour around now. */
async function counted({ store, accountId }: Bench, fromAt = now - QUARTER_MS, untilAt = now + QUARTER_MS) {
  while ((await orderChanges(store, now)) > 0);
  while ((await countChanges(store)) > 0);
  const buckets = await readStatistics(store, {
    accountId,
    spanMs: 900_000,
    bucketMs: QUARTER_MS,
    fromAt,
    untilAt,
  });
  return buckets.reduce((sum, { counts }) => addCounts(sum, counts), NO_COUNTS);
}

/** Records an attempt of the account's oldest open delivery. */
async function attemptOldest(
  { store, accountId }: Bench,
  over: { state?: "succeeded" | "exhausted" | "started"; durationMs?: number; number?: number } = {},
): Promise<DeliveryId> {
  const { state = "succeeded", durationMs = 40, number = 1 } = over;
  await claimDeliveries(store, { owner: "x", limit: 10, inFlightMax: 10, leaseMs: 1_000, now: () => now });
  const open = await listDeliveries(store, { accountId, limit: 50 });
  const delivery = open.findLast((one) => one.state === "pending" || one.state === "started");
  if (delivery === undefined) throw new Error("nothing is open");
  await markStarted(store, { owner: "x", ids: [delivery.id], now });
  await recordAttempt(store, {
    deliveryId: delivery.id,
    attempt: attempt({
      number,
      startedAt: now + 1_000 - durationMs,
      durationMs,
      outcome: state === "succeeded" ? "accepted" : "status",
    }),
    state,
    nextAttemptAt: state === "started" ? now + 600_000 : null,
    endedReason: null,
    now: now + 1_000,
  });
  return delivery.id;
}

onEachDatabase("the counters", (bench) => {
  test("count each event, delivery, attempt and outcome once, however often they run", async () => {
    const { subscribe, ingest, store, accountId } = bench();
    await subscribe();
    await subscribe();
    await ingest({ now });
    await ingest({ now });
    await attemptOldest(bench());
    await attemptOldest(bench(), { state: "exhausted", durationMs: 3_000 });
    const id = await attemptOldest(bench(), { state: "started" });
    expect(await counted(bench())).toMatchObject({
      events: 2,
      deliveries: 4,
      succeeded: 1,
      failed: 1,
      attempts: 3,
      accepted: 1,
    });
    await cancelDelivery(store, { id, reason: "enough", now: now + 1_000 });
    await resendDelivery(store, { accountId, id, now: now + 1_000 });
    // The resend adds a delivery of an event already counted, and the cancellation adds no attempt.
    expect(await counted(bench())).toMatchObject({ events: 2, deliveries: 5, attempts: 3 });
  });

  test("count an event once if all its deliveries are created later", async () => {
    const { subscribe, ingest, store } = bench();
    for (const eventTypes of [["other"], ["other"], ["invoice_sent"], ["invoice_sent"]]) {
      await subscribe({ eventTypes });
    }
    const { eventId } = await ingest({ now, deliveriesMax: 0 });
    while ((await continueFanout(store, { eventId, now, deliveriesMax: 1 })).goesOn);
    expect(await counted(bench())).toMatchObject({ events: 1, deliveries: 2 });
  });

  test("count an attempt once if it is recorded before its start is marked", async () => {
    const { subscribe, ingest, store, accountId } = bench();
    await subscribe();
    await ingest({ now });
    const claim = { owner: "x", limit: 10, inFlightMax: 10, leaseMs: 1_000, now: () => now };
    const [claimed] = await claimDeliveries(store, claim);
    if (claimed === undefined) throw new Error("nothing was claimed");
    await recordAttempt(store, {
      deliveryId: claimed.deliveryId,
      attempt: attempt({ startedAt: now, durationMs: 5, outcome: "accepted", status: 200 }),
      state: "succeeded",
      nextAttemptAt: null,
      endedReason: null,
      now: now + 5,
    });
    await markStarted(store, { owner: "x", ids: [claimed.deliveryId], now: now + 10 });
    expect(await counted(bench())).toMatchObject({ deliveries: 1, succeeded: 1, attempts: 1, accepted: 1 });
    const [delivery] = await listDeliveries(store, { accountId, limit: 1 });
    expect(delivery).toMatchObject({ state: "succeeded", attempts: 1 });
  });

  test("count a delivery once that is parked and drained", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await ingest({ now });
    await pauseSubscription(store, { accountId, id, now });
    await resumeSubscription(store, { accountId, id, now });
    await drainAll(store, now);
    expect(await counted(bench())).toMatchObject({ events: 1, deliveries: 1 });
    expect(await accountBacklog(store, accountId)).toMatchObject({ pending: 1, parked: 0 });
  });

  test("are kept by account and by the time of the change", async () => {
    const { subscribe, ingest, store } = bench();
    const other = await createAccount(store, { name: "other", now });
    await subscribe();
    await ingest({ now });
    await ingest({ now: now + 3 * QUARTER_MS });
    expect(await counted(bench())).toMatchObject({ deliveries: 1 });
    expect(await counted(bench(), now, now + 4 * QUARTER_MS)).toMatchObject({ deliveries: 2 });
    expect(await counted({ ...bench(), accountId: other.id })).toEqual(NO_COUNTS);
  });

  test("have a bucket for each interval, even if nothing happened in it", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    await ingest({ now });
    await counted(bench());
    const buckets = await readStatistics(store, {
      accountId,
      spanMs: 60_000,
      bucketMs: 60_000,
      fromAt: now - 3 * 60_000,
      untilAt: now + 1,
    });
    expect(buckets.map(({ counts }) => counts.deliveries)).toEqual([0, 0, 0, 1]);
  });

  test("are deleted when they are too old to be shown", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await ingest({ now });
    await counted(bench());
    const spans = async () =>
      (await store.db.selectFrom("statistics").select("span_ms").orderBy("span_ms").execute()).map(
        (row) => row.span_ms,
      );
    await forgetOldCounts(store, now + 3_600_000);
    expect(await spans()).toEqual([60_000, 900_000]);
    await forgetOldCounts(store, now + 24 * 3_600_000);
    expect(await spans()).toEqual([900_000]);
    await forgetOldCounts(store, now + 32 * 24 * 3_600_000);
    expect(await spans()).toEqual([]);
  });

  test("include the backlog: how many deliveries wait, and since when", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    expect(await accountBacklog(store, accountId)).toEqual({
      pending: 0,
      started: 0,
      parked: 0,
      oldestPendingAt: null,
    });
    await subscribe();
    await ingest({ now });
    await ingest({ now: now + 5_000 });
    expect(await accountBacklog(store, accountId)).toMatchObject({ pending: 2, oldestPendingAt: now });
  });
});

test("a quantile of attempt durations lies within the bucket that holds it", () => {
  const took = (...counts: [place: number, count: number][]) => ({
    ...NO_COUNTS,
    took: NO_COUNTS.took.map((_zero, i) => counts.find(([place]) => place === i)?.[1] ?? 0),
  });
  expect(quantileMs(NO_COUNTS, 0.5)).toBeNull();
  // All in the bucket from 25 to 50 ms.
  expect(quantileMs(took([3, 100]), 0.5)).toBe(38);
  // 94 of 25 to 50 ms, and six of 2.5 to 5 s.
  expect(quantileMs(took([3, 94], [9, 6]), 0.95)).toBe(2_917);
  expect(quantileMs(took([13, 1]), 0.95)).toBe(30_000);
});
