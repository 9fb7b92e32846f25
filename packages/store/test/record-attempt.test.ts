import type { DeliveryId } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  type AttemptToRecord,
  cancelDelivery,
  claimDeliveries,
  closeStore,
  endSubscription,
  finishEnd,
  getDelivery,
  getSubscription,
  listAttempts,
  listDeliveries,
  listEnding,
  markStarted,
  openStore,
} from "../src/index.ts";
import { attempt, type Bench, idsIn, NOW, onEachDatabase } from "./fixture.ts";

async function pendingDelivery({ store, accountId, subscribe, ingest }: Bench): Promise<DeliveryId> {
  await subscribe();
  const { eventId } = await ingest();
  const [delivery] = await listDeliveries(store, { accountId, eventId, limit: 1 });
  if (delivery === undefined) throw new Error("no delivery");
  return delivery.id;
}
/** Creates another pending delivery of the same subscription. */
async function nextDelivery({ store, accountId, ingest }: Bench): Promise<DeliveryId> {
  const { eventId } = await ingest();
  const [delivery] = await listDeliveries(store, { accountId, eventId, limit: 1 });
  return delivery?.id as DeliveryId;
}
const record = (deliveryId: DeliveryId, over: Partial<AttemptToRecord> = {}): AttemptToRecord => ({
  deliveryId,
  attempt: attempt(),
  state: "started",
  nextAttemptAt: NOW + 600_000,
  endedReason: null,
  now: NOW + 5,
  ...over,
});

onEachDatabase("an attempt", (bench) => {
  test("is logged with its whole response, and the delivery moves on", async () => {
    const { store, accountId } = bench();
    const id = await pendingDelivery(bench());
    const full = attempt({
      responseHeaders: [
        ["set-cookie", "a"],
        ["set-cookie", "b é"],
      ],
      responseBody: Buffer.from([0, 255, 10, 0]),
      responseTruncated: true,
      retryAfterMs: 3_600_000,
      detail: "x".repeat(400),
    });
    expect(await recordAttempt(store, record(id, { attempt: full }))).toMatchObject({ kind: "recorded" });
    const [logged] = (await listAttempts(store, { accountId, deliveryId: id })) ?? [];
    expect({ ...logged, responseBody: Buffer.from(logged?.responseBody ?? []) }).toEqual({
      ...full,
      detail: "x".repeat(255),
    });
    expect(await getDelivery(store, { accountId, id })).toMatchObject({
      state: "started",
      attempts: 1,
      nextAttemptAt: NOW + 600_000,
      lastOutcome: "status",
      lastStatus: 500,
    });
  });

  test("that ends the delivery sets the end time and leaves nothing due", async () => {
    const { store, accountId } = bench();
    const id = await pendingDelivery(bench());
    await recordAttempt(
      store,
      record(id, {
        attempt: attempt({ outcome: "accepted", status: 200 }),
        state: "succeeded",
        nextAttemptAt: null,
      }),
    );
    expect(await getDelivery(store, { accountId, id })).toMatchObject({
      state: "succeeded",
      nextAttemptAt: null,
      endedAt: NOW + 5,
    });
  });

  test("recorded twice is logged once, and the second call learns it is already recorded", async () => {
    const { store, url, accountId } = bench();
    const id = await pendingDelivery(bench());
    const second = await openStore({ url });
    try {
      const results = await Promise.all([
        recordAttempt(store, record(id)),
        recordAttempt(second, record(id, { attempt: attempt({ status: 503 }) })),
      ]);
      expect(results.map(({ kind }) => kind).sort()).toEqual(["already_recorded", "recorded"]);
      expect(await listAttempts(store, { accountId, deliveryId: id })).toHaveLength(1);
    } finally {
      await closeStore(second);
    }
  });

  test("that failed reserves a turn for its retry, only once even if recorded twice", async () => {
    const { store, accountId } = bench();
    const id = await pendingDelivery(bench());
    const pace = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 1 };
    const dueMs = NOW + 600_000;
    expect(await recordAttempt(store, record(id, { pace }))).toEqual({
      kind: "recorded",
      nextAttemptAt: dueMs,
    });
    await recordAttempt(store, record(id, { pace }));
    const slots = await store.db.selectFrom("turn_slots").select("taken").execute();
    expect(slots).toEqual([{ taken: 1 }]);
    const next = await nextDelivery(bench());
    expect(await recordAttempt(store, record(next, { pace }))).toEqual({
      kind: "recorded",
      nextAttemptAt: dueMs + 10_000,
    });
    expect(await getDelivery(store, { accountId, id: next })).toMatchObject({
      nextAttemptAt: dueMs + 10_000,
    });
  });

  test("out of sequence is not logged", async () => {
    const { store, accountId } = bench();
    const id = await pendingDelivery(bench());
    expect(await recordAttempt(store, record(id, { attempt: attempt({ number: 2 }) }))).toEqual({
      kind: "already_recorded",
      nextAttemptAt: null,
    });
    expect(await listAttempts(store, { accountId, deliveryId: id })).toEqual([]);
  });

  test("of a cancelled delivery is logged, and the delivery stays cancelled", async () => {
    const { store, accountId } = bench();
    const id = await pendingDelivery(bench());
    await cancelDelivery(store, { id, reason: "by hand", now: NOW });
    expect(await recordAttempt(store, record(id, { state: "succeeded", nextAttemptAt: null }))).toMatchObject(
      {
        kind: "recorded",
      },
    );
    expect(await getDelivery(store, { accountId, id })).toMatchObject({
      state: "cancelled",
      attempts: 1,
      endedReason: "by hand",
      nextAttemptAt: null,
    });
  });

  test("answered with 410 ends the subscription, and upkeep cancels its other open deliveries", async () => {
    const { store, accountId, ingest } = bench();
    const id = await pendingDelivery(bench());
    const other = await ingest();
    const before = await getDelivery(store, { accountId, id });
    await recordAttempt(
      store,
      record(id, {
        attempt: attempt({ outcome: "gone", status: 410 }),
        state: "cancelled",
        nextAttemptAt: null,
      }),
    );
    const subscriptionId = before?.subscriptionId as never;
    expect(await getSubscription(store, { accountId, id: subscriptionId })).toMatchObject({ state: "ended" });
    expect((await ingest()).deliveryCount).toBe(0);
    for (const ending of idsIn(await listEnding(store, { limit: 10 }))) {
      await finishEnd(store, { id: ending, now: NOW });
    }
    const [open] = await listDeliveries(store, { accountId, eventId: other.eventId, limit: 1 });
    expect(open).toMatchObject({ state: "cancelled", attempts: 0 });
  });

  test("recorded before the start is marked is not undone by the mark", async () => {
    const { store, accountId } = bench();
    const id = await pendingDelivery(bench());
    await claimDeliveries(store, { owner: "me", limit: 1, inFlightMax: 1, leaseMs: 1_000, now: () => NOW });
    await recordAttempt(store, record(id, { state: "succeeded", nextAttemptAt: null }));
    await markStarted(store, { owner: "me", ids: [id], now: NOW });
    expect(await getDelivery(store, { accountId, id })).toMatchObject({ state: "succeeded", attempts: 1 });
  });
});

onEachDatabase("the end of a subscription", (bench) => {
  test("cancels its open deliveries and no others", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const leaving = await subscribe({ eventTypes: ["invoice_sent"] });
    const staying = await subscribe({ eventTypes: ["invoice_sent"] });
    for (let i = 0; i < 12; i++) await ingest();
    await endSubscription(store, { accountId, id: leaving.id, reason: "test", now: NOW });
    const statesOf = async (subscriptionId: typeof leaving.id) =>
      new Set(
        (await listDeliveries(store, { accountId, subscriptionId, limit: 100 })).map((row) => row.state),
      );
    expect(await statesOf(leaving.id)).toEqual(new Set(["cancelled"]));
    expect(await statesOf(staying.id)).toEqual(new Set(["pending"]));
  });
});
