import { randomBytes } from "node:crypto";
import type { DeliveryId, Outcome, RecoverableState } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  advanceRecovery,
  createRecovery,
  getDelivery,
  getSubscription,
  hasTraits,
  listDeliveries,
  listSubscriptions,
  pauseSubscription,
  type Recovery,
  type RecoveryFilter,
  requestRetry,
  resendDelivery,
  resentAs,
  type Store,
  searchDeliveries,
  subscriptionHealth,
  type Traits,
} from "../src/index.ts";
import { attempt, type Bench, beginAttempts, NOW, onEachDatabase, recordAccepted } from "./fixture.ts";

const MINUTE_MS = 60_000;
const LATER = NOW + 30_000;
const DUE = NOW + 10 * MINUTE_MS;

const start = (
  { store, accountId }: Bench,
  filter: RecoveryFilter,
  over: Partial<Parameters<typeof createRecovery>[1]> = {},
) =>
  createRecovery(store, {
    ...{ accountId, kind: "recover" as const, subscriptionId: null, sinceAt: 0, untilAt: LATER },
    ...{ isDryRun: false, ratePerSecond: 1_000, filter, now: LATER },
    ...over,
  });
/** Advances a recovery to its end. Returns it, and the deliveries that it made due. */
const finish = async (store: Store, { id }: Recovery, limit = 500) => {
  const retried: DeliveryId[] = [];
  for (let i = 0; i < 100; i++) {
    const step = await advanceRecovery(store, { id, limit, now: LATER });
    if (step === undefined) throw new Error("no such recovery");
    retried.push(...step.retriedNow);
    if (step.state !== "running") return { ...step, retried };
  }
  throw new Error("the recovery does not end");
};
/** Ingests events whose first attempts fail with this outcome, so that they wait for their second. */
const failing = async (
  { store, ingest }: Bench,
  count: number,
  { eventType, ...answer }: { outcome?: Outcome; status?: number | null; eventType?: string } = {},
): Promise<DeliveryId[]> => {
  for (let i = 0; i < count; i++) await ingest(eventType === undefined ? {} : { eventType });
  const ids = await beginAttempts(store);
  for (const deliveryId of ids) {
    const failed = attempt({ outcome: "status", status: 503, ...answer });
    const next = { state: "started" as const, nextAttemptAt: DUE, endedReason: null };
    await recordAttempt(store, { deliveryId, attempt: failed, ...next, now: NOW });
  }
  return ids;
};
/** Makes a subscription and a delivery to it that is accepted. */
const acceptedOne = async ({ store, subscribe, ingest }: Bench) => {
  await subscribe();
  await ingest();
  const [id] = await beginAttempts(store);
  if (id === undefined) throw new Error("no delivery");
  await recordAccepted(store, id);
  return id;
};

const setState = (store: Store, id: DeliveryId, state: RecoverableState) =>
  store.db
    .updateTable("deliveries")
    .set({ state, next_attempt_at: null, reconcile_after: null, turn_at: null, ended_at: NOW })
    .where("id", "=", id)
    .execute();

const ENDED = {
  ...{ state: "exhausted" as const, next_attempt_at: null, reconcile_after: null, turn_at: null },
  ...{ lease_until: null, lease_owner: null, in_flight_of: null, ended_at: NOW },
};

onEachDatabase("a recovery of what waits", (bench) => {
  test("makes each waiting delivery's next attempt due, and keeps its attempts", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe();
    const ids = await failing(bench(), 7);
    const recovery = await start(bench(), { states: ["started"] });
    const done = await finish(store, recovery, 3);
    expect(done).toMatchObject({ state: "completed", examined: 7, made: 7, leftOut: 0 });
    expect([...done.retried].sort()).toEqual([...ids].sort());
    const after = await listDeliveries(store, { accountId, limit: 10 });
    expect(after).toHaveLength(7);
    for (const delivery of after) {
      expect(delivery).toMatchObject({ state: "started", attempts: 1, nextAttemptAt: LATER });
      expect(delivery).toMatchObject({ recoveryId: recovery.id, resendOf: null });
    }
  });

  test("leaves out what is due, and asks for nothing twice", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe();
    const [first] = await failing(bench(), 3);
    if (first === undefined) throw new Error("no delivery");
    await requestRetry(store, { accountId, id: first, now: LATER });
    const done = await finish(store, await start(bench(), { states: ["started"] }));
    expect(done).toMatchObject({ made: 2, leftOut: 1, leftOutBy: { due: 1 } });
    const again = await finish(store, await start(bench(), { states: ["started"] }));
    expect(again).toMatchObject({ made: 0, leftOut: 3, leftOutBy: { due: 3 }, retried: [] });
  });

  test("takes no more in a step than its rate allows in a second", async () => {
    const { store, subscribe } = bench();
    await subscribe();
    await failing(bench(), 5);
    const { id } = await start(bench(), { states: ["started"] }, { ratePerSecond: 2 });
    const step = async () => (await advanceRecovery(store, { id, limit: 500, now: LATER }))?.retriedNow;
    expect(await step()).toHaveLength(2);
    expect(await step()).toHaveLength(2);
    expect(await step()).toHaveLength(1);
  });

  test("that is a dry run counts, and leaves every time as it is", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe();
    await failing(bench(), 4);
    const done = await finish(store, await start(bench(), { states: ["started"] }, { isDryRun: true }));
    expect(done).toMatchObject({ examined: 4, made: 4, retried: [] });
    const after = await listDeliveries(store, { accountId, limit: 10 });
    expect(after.map(({ nextAttemptAt }) => nextAttemptAt)).toEqual([DUE, DUE, DUE, DUE]);
    expect(after.every(({ recoveryId }) => recoveryId === null)).toBe(true);
  });

  test("also sends again what has failed, in one go, and links old and new both ways", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe();
    const [waits, failed] = await failing(bench(), 2);
    if (waits === undefined || failed === undefined) throw new Error("no deliveries");
    await setState(store, failed, "exhausted");
    const recovery = await start(bench(), { states: ["started", "exhausted"] });
    const done = await finish(store, recovery);
    expect(done).toMatchObject({ examined: 2, made: 2, retried: [waits] });
    const [made] = await listDeliveries(store, { accountId, state: "pending", limit: 10 });
    expect(made).toMatchObject({ resendOf: failed, recoveryId: recovery.id });
    const old = await getDelivery(store, { accountId, id: failed });
    if (old === undefined) throw new Error("the delivery is gone");
    expect(await resentAs(store, old)).toBe(made?.id);
    const found = await searchDeliveries(store, {
      ...{ accountId, limit: 10, traits: { recoveryId: recovery.id } },
    });
    expect(found.rows.map(({ id }) => id).sort()).toEqual([waits, made?.id].sort());
  });

  test("sends what was accepted only if that state is named", async () => {
    const { store, accountId } = bench();
    const id = await acceptedOne(bench());
    expect(await finish(store, await start(bench(), {}))).toMatchObject({ examined: 0 });
    const done = await finish(store, await start(bench(), { states: ["succeeded"] }));
    expect(done).toMatchObject({ made: 1 });
    const [made] = await listDeliveries(store, { accountId, state: "pending", limit: 10 });
    expect(made?.resendOf).toBe(id);
  });

  test("of a paused subscription resumes it, and makes what still waits for its retry due", async () => {
    const { store, accountId, subscribe } = bench();
    const { id: subscriptionId } = await subscribe();
    await failing(bench(), 2);
    await pauseSubscription(store, { accountId, id: subscriptionId, now: NOW });
    const recovery = await start(bench(), { states: ["started"] }, { subscriptionId });
    expect(await getSubscription(store, { accountId, id: subscriptionId })).toMatchObject({
      state: "active",
    });
    expect(await finish(store, recovery)).toMatchObject({ state: "completed", made: 2 });
  });
});

onEachDatabase("the filter of a recovery", (bench) => {
  test("keeps to event types, outcomes, statuses and attempts", async () => {
    const { store, subscribe } = bench();
    await subscribe({ eventTypes: ["*"] });
    await failing(bench(), 2, { status: 503 });
    await failing(bench(), 3, { status: 500, eventType: "contact_created" });
    await failing(bench(), 4, { outcome: "timeout", status: null });
    const counted = async (traits: Traits) => {
      const filter = { states: ["started" as const], ...traits };
      // Steps that are smaller than what they pass by.
      return (await finish(store, await start(bench(), filter, { isDryRun: true }), 2)).made;
    };
    expect(await counted({})).toBe(9);
    expect(await counted({ eventTypes: ["contact_created"] })).toBe(3);
    expect(await counted({ outcomes: ["timeout"] })).toBe(4);
    expect(await counted({ outcomes: ["timeout", "status"] })).toBe(9);
    expect(await counted({ statuses: [500, 503] })).toBe(5);
    expect(await counted({ statuses: [503], eventTypes: ["contact_created"] })).toBe(0);
    expect(await counted({ attemptsMin: 1 })).toBe(9);
    expect(await counted({ attemptsMin: 2 })).toBe(0);
  });

  test("keeps to an event, whose deliveries to all subscriptions it sends again", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    for (let i = 0; i < 5; i++) await subscribe();
    const { eventId } = await ingest();
    await ingest();
    for (const id of await beginAttempts(store)) await recordAccepted(store, id);
    const recovery = await start(bench(), { states: ["succeeded"], eventId });
    expect(await finish(store, recovery, 2)).toMatchObject({ state: "completed", examined: 5, made: 5 });
    const made = await listDeliveries(store, { accountId, state: "pending", limit: 20 });
    expect(made.map((delivery) => delivery.eventId)).toEqual(Array(5).fill(eventId));
  });

  test("finds what a list with the same traits shows", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe({ eventTypes: ["*"] });
    await failing(bench(), 2, { status: 503 });
    await failing(bench(), 2, { outcome: "timeout", status: null, eventType: "contact_created" });
    const all = await store.db.selectFrom("deliveries").selectAll().execute();
    const cases: Traits[] = [
      ...[{}, { eventTypes: ["invoice_sent"] }, { outcomes: ["timeout" as const] }, { statuses: [503] }],
      ...[{ attemptsMin: 1 }, { attemptsMin: 2 }, { statuses: [503], outcomes: ["timeout" as const] }],
    ];
    for (const traits of cases) {
      const { rows } = await searchDeliveries(store, { accountId, traits, limit: 10 });
      const kept = all.filter((row) => hasTraits(traits, row)).map(({ id }) => id);
      expect(rows.map(({ id }) => id).sort()).toEqual(kept.sort());
    }
  });
});

onEachDatabase("a subscription's health", (bench) => {
  test("counts what waits for a retry, and not what waits for its first attempt", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await failing(bench(), 3);
    await ingest();
    expect(await subscriptionHealth(store, { accountId, id })).toMatchObject({ retrying: 3, pending: 1 });
    await beginAttempts(store);
    expect(await subscriptionHealth(store, { accountId, id })).toMatchObject({ retrying: 3, pending: 0 });
  });

  test("counts its attempts over time", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await failing(bench(), 3);
    const { bucketMs, buckets } = (await subscriptionHealth(store, { accountId, id })) ?? {};
    expect(bucketMs).toBe(60_000);
    expect(buckets).toEqual([{ from: expect.any(Number), attempts: 3, accepted: 0 }]);
  });
});

onEachDatabase("a subscription with deliveries that wait for a retry", (bench) => {
  test("says so, also after another delivery has succeeded", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe();
    const found = async () => await getSubscription(store, { accountId, id });
    expect(await found()).toMatchObject({ isRetrying: false });
    await failing(bench(), 2);
    expect(await found()).toMatchObject({ isRetrying: true, failingSince: NOW });
    await ingest();
    const [fresh] = await beginAttempts(store);
    if (fresh === undefined) throw new Error("no delivery");
    await recordAccepted(store, fresh);
    expect(await found()).toMatchObject({ isRetrying: true, failingSince: null });
    expect(await listSubscriptions(store, { accountId, limit: 1 })).toMatchObject([{ isRetrying: true }]);
  });
});

onEachDatabase("a resend", (bench) => {
  test("is linked with the delivery that it sends again", async () => {
    const { store, accountId } = bench();
    const id = await acceptedOne(bench());
    const old = await getDelivery(store, { accountId, id });
    if (old === undefined) throw new Error("the delivery is gone");
    expect(await resentAs(store, old)).toBeUndefined();
    const resent = await resendDelivery(store, { accountId, id, now: LATER });
    expect(resent?.delivery.resendOf).toBe(id);
    expect(await resentAs(store, old)).toBe(resent?.delivery.id);
  });
});

onEachDatabase("what a recovery reads and sends is bounded", (bench) => {
  test("though the database's clock was set back: it does not take what it made for what it finds", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    for (let i = 0; i < 3; i++) await ingest();
    for (const id of await beginAttempts(store)) await recordAccepted(store, id);
    const { id } = await start(bench(), { states: ["succeeded"] }, { ratePerSecond: 1 });
    // What it makes is older than the end of its time, and is accepted at once.
    for (let i = 0; i < 10; i++) {
      await advanceRecovery(store, { id, limit: 500, now: NOW + 1 });
      await store.db
        .updateTable("deliveries")
        .set({ state: "succeeded", next_attempt_at: null, ended_at: NOW })
        .where("state", "=", "pending")
        .execute();
    }
    expect(await listDeliveries(store, { accountId, limit: 20 })).toHaveLength(6);
  });

  test("an event is sent to a subscription 200 times at most", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    await ingest();
    const [id] = await beginAttempts(store);
    if (id === undefined) throw new Error("no delivery");
    const sent = await store.db.selectFrom("deliveries").selectAll().executeTakeFirstOrThrow();
    const copies = Array.from({ length: 199 }, (_, i) => ({
      ...{ ...sent, ...ENDED, id: `dlv_${"0".repeat(23)}${100 + i}` as DeliveryId },
      target_key: randomBytes(32),
    }));
    for (const copy of copies) await store.db.insertInto("deliveries").values(copy).execute();
    await setState(store, id, "exhausted");
    await expect(resendDelivery(store, { accountId, id, now: LATER })).rejects.toMatchObject({
      ...{ code: "too_many", reason: "RESENDS_FULL" },
    });
    const done = await finish(store, await start(bench(), { states: ["exhausted"] }));
    expect(done).toMatchObject({ made: 0, leftOutBy: { already_sent: 199, too_often: 1 } });
  });
});
