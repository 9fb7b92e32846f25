import {
  type DeliveryId,
  type DeliveryState,
  EMPTY_LINE,
  type Pace,
  type SubscriptionId,
} from "@posthaste/domain";
import { createTestStore, recordAttempt, type TestStore, timesIn } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { markHandedOver } from "../src/attempts/record-attempt.ts";
import { transact } from "../src/database/transact.ts";
import { TIME_COLUMNS } from "../src/deliveries/transitions.ts";
import {
  cancelAsDeferred,
  cancelDelivery,
  changeDeferral,
  claimDeliveries,
  deferReconcile,
  drainSubscription,
  getSubscription,
  listDeliveries,
  markStarted,
  parkDelivery,
  releaseClaims,
  renewClaims,
  requestRetry,
  reserveTurn,
  type Store,
  takeTurn,
  updateSubscription,
} from "../src/index.ts";
import { parkSomePending } from "../src/lifecycle/park-deliveries.ts";
import { attempt, type Bench, benchOn, deliveriesOf, NOW } from "./fixture.ts";
import { holdAfter, overlap } from "./held-store.ts";

/*
 * Two processes move the same deliveries, or take turns of the same subscription, and overlap where it
 * matters most: one has read what it decides by, and has not committed yet. On SQLite writers take turns as a
 * whole.
 */

const LATER = NOW + 30_000;
const ONE_AT_A_TIME: Pace = { rate: null, concurrency: 1 };

let own: TestStore;
let bench: Bench;
let subscriptionId: SubscriptionId;
beforeEach(async () => {
  own = await createTestStore("mysql");
  bench = await benchOn(own);
  subscriptionId = (await bench.subscribe()).id;
});
afterEach(() => own.dispose());

async function ingested(): Promise<DeliveryId> {
  const [delivery] = await deliveriesOf(bench.store, (await bench.ingest()).eventId);
  if (delivery === undefined) throw new Error("no delivery");
  return delivery.id;
}

/** Creates a delivery in this state. A pending one is claimed by `me`, a started one was attempted once. */
async function deliveryIn(state: DeliveryState): Promise<DeliveryId> {
  const id = await ingested();
  const lease = { lease_owner: "me", lease_until: LATER + 60_000, in_flight_of: subscriptionId };
  await bench.store.db
    .updateTable("deliveries")
    .set({ state, ...timesIn(state, LATER), ...(state === "pending" ? lease : {}) })
    .set({ attempts: state === "started" ? 1 : 0 })
    .where("id", "=", id)
    .execute();
  return id;
}

const rowOf = (id: DeliveryId) =>
  bench.store.db.selectFrom("deliveries").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
const setSubscription = (store: Store, values: { state?: "paused" | "ended"; draining?: 0 | 1 }) =>
  transact(store, (tx) =>
    tx.updateTable("subscriptions").set(values).where("id", "=", subscriptionId).execute(),
  );
const claim = (store: Store, inFlightMax = 10) =>
  claimDeliveries(store, { owner: "me", limit: 10, inFlightMax, leaseMs: 60_000, now: () => LATER });

describe("a claim on MySQL", () => {
  test("reads the rate after it has locked the line, so that no line keeps a rate that has changed", async () => {
    const { store, accountId } = bench;
    const rate = { perSecond: 10, burst: 2 };
    await updateSubscription(store, { accountId, id: subscriptionId, rate, now: NOW });
    await ingested();
    // It stops between the two, whichever comes first.
    const { first, hasWaited } = await overlap(bench, /from turns|s\.rate_per_1000s/, claim, (other) =>
      updateSubscription(other, {
        accountId,
        id: subscriptionId,
        rate: { perSecond: 0.001, burst: 1 },
        now: LATER,
      }),
    );
    expect(first).toHaveLength(1);
    expect(hasWaited).toBe(true);
    expect(await store.db.selectFrom("turns").select(["line_us", "gate_us"]).execute()).toEqual([
      { line_us: EMPTY_LINE, gate_us: EMPTY_LINE },
    ]);
  });

  test("keeps to the concurrency of a subscription together with another claim", async () => {
    for (let n = 0; n < 3; n++) await ingested();
    const one = (store: Store) => claim(store, 1);
    const { first, second } = await overlap(bench, /group by in_flight_of/, one, one);
    expect(first).toHaveLength(1);
    expect(second).toEqual([]);
  });

  test("neither takes a delivery that another transaction holds, nor waits for it", async () => {
    const cancelled = await ingested();
    const other = await ingested();
    const { second, hasWaited } = await overlap(
      bench,
      /^update deliveries/,
      (held) => cancelDelivery(held, { id: cancelled, reason: "by hand", now: LATER }),
      claim,
    );
    expect(second.map(({ deliveryId }) => deliveryId)).toEqual([other]);
    expect(hasWaited).toBe(false);
    expect(await rowOf(cancelled)).toMatchObject({ state: "cancelled", lease_owner: null });
  });

  test("parks what nobody holds of a paused subscription, and does not wait for the rest", async () => {
    const cancelled = await ingested();
    const other = await ingested();
    await setSubscription(bench.store, { state: "paused" });
    const { second, hasWaited } = await overlap(
      bench,
      /^update deliveries/,
      (held) => cancelDelivery(held, { id: cancelled, reason: "by hand", now: LATER }),
      claim,
    );
    expect({ second, hasWaited }).toEqual({ second: [], hasWaited: false });
    expect((await rowOf(other)).state).toBe("parked");
    expect((await rowOf(cancelled)).state).toBe("cancelled");
  });

  test("does not take a delivery that was moved after the claim had found it", async () => {
    const cancelled = await ingested();
    const other = await ingested();
    const held = await holdAfter(own.url, /as oldest/);
    try {
      const claiming = claim(held.store);
      await held.stopped;
      await cancelDelivery(bench.store, { id: cancelled, reason: "by hand", now: LATER });
      held.goOn();
      expect((await claiming).map(({ deliveryId }) => deliveryId)).toEqual([other]);
      expect(await rowOf(cancelled)).toMatchObject({ state: "cancelled", lease_owner: null });
    } finally {
      await held.close();
    }
  });
});

describe("a turn on MySQL", () => {
  const ask = (store: Store, deliveryId: DeliveryId, now: () => number = () => LATER) =>
    takeTurn(store, { deliveryId, subscriptionId, number: 2, pace: ONE_AT_A_TIME, timeoutMs: 1_000, now });

  test("is given to one of two retries at a time if the concurrency is one", async () => {
    const [one, two] = [await deliveryIn("started"), await deliveryIn("started")];
    const { first, second } = await overlap(
      bench,
      /group by in_flight_of/,
      (held) => ask(held, one),
      (other) => ask(other, two),
    );
    expect(first).toMatchObject({ kind: "go" });
    expect(second).toMatchObject({ kind: "wait" });
  });

  test("is decided by the time at which its line was free, not by when it was asked for", async () => {
    const id = await deliveryIn("started");
    let now = LATER;
    const { second } = await overlap(
      bench,
      /from turns/,
      (held) =>
        transact(held, async (tx) => {
          await tx.selectFrom("turns").select("subscription_id").forUpdate().execute();
          now += 3_000;
        }),
      (other) => ask(other, id, () => now),
    );
    expect(second).toEqual({ kind: "go", atMs: LATER + 3_000 });
  });

  test("is reserved by each of two retries for a time of its own", async () => {
    const pace: Pace = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 10 };
    const reserve = (store: Store) => reserveTurn(store, { subscriptionId, pace, dueMs: LATER, now: LATER });
    const { first, second } = await overlap(bench, /from turn_slots/, reserve, reserve);
    expect(second - first).toBeGreaterThanOrEqual(10_000);
  });
});

describe("a delivery on MySQL", () => {
  type Case = [what: string, from: DeliveryState, act: (store: Store, id: DeliveryId) => Promise<unknown>];
  const due = { nextAttemptAt: LATER, now: LATER };
  const cases: Case[] = [
    [
      "is marked as started",
      "pending",
      (store, id) => markStarted(store, { owner: "me", ids: [id], now: LATER }),
    ],
    ["is released", "pending", (store, id) => releaseClaims(store, { owner: "me", ids: [id], now: LATER })],
    [
      "is claimed for longer",
      "pending",
      (store, id) => renewClaims(store, { owner: "me", ids: [id], leaseMs: 1, now: () => LATER }),
    ],
    [
      "is found pending",
      "pending",
      (store) => parkSomePending(store, { id: subscriptionId, now: LATER + 90_000 }),
    ],
    ["is handed over", "started", (store, id) => markHandedOver(store, [{ id, ...due }])],
    [
      "is overdue",
      "started",
      (store, id) => deferReconcile(store, { ids: [id], until: LATER + 1e6, now: LATER + 300_000 }),
    ],
    [
      "is overdue for longer",
      "started",
      (store, id) =>
        changeDeferral(store, {
          from: LATER + 120_000,
          changes: [{ id, until: LATER + 1e6 }],
          now: LATER,
        }),
    ],
    [
      "is asked to be retried",
      "started",
      (store, id) =>
        requestRetry(store, { accountId: bench.accountId, id, now: NOW }).catch((error: unknown) => error),
    ],
    [
      "takes its turn",
      "started",
      (store, deliveryId) =>
        takeTurn(store, {
          deliveryId,
          subscriptionId,
          number: 2,
          pace: ONE_AT_A_TIME,
          timeoutMs: 1_000,
          now: () => LATER,
        }),
    ],
    [
      "reserves its turn",
      "started",
      async (store, id) => {
        const delivery = { id, attempts: 1, nextAttemptAt: (await rowOf(id)).next_attempt_at };
        const times = { dueMs: LATER, now: LATER };
        await reserveTurn(store, { delivery, subscriptionId, pace: ONE_AT_A_TIME, ...times });
      },
    ],
    [
      "succeeds",
      "started",
      (store, deliveryId) =>
        recordAttempt(store, {
          deliveryId,
          attempt: attempt({ number: 2, outcome: "accepted", status: 200 }),
          state: "succeeded",
          nextAttemptAt: null,
          endedReason: null,
          now: LATER,
        }),
    ],
    [
      "is parked",
      "started",
      async (store, id) => {
        await setSubscription(store, { state: "paused" });
        await parkDelivery(store, { id, subscriptionId, number: 2, now: LATER });
      },
    ],
    [
      "is drained",
      "parked",
      async (store) => {
        await setSubscription(store, { draining: 1 });
        await drainSubscription(store, { id: subscriptionId, now: LATER });
      },
    ],
  ];

  test.each(cases)("that %s while it is being cancelled stays cancelled", async (_what, from, act) => {
    const id = await deliveryIn(from);
    const { first } = await overlap(
      bench,
      /^update deliveries/,
      (held) => cancelDelivery(held, { id, reason: "by hand", now: LATER }),
      (other) => act(other, id),
    );
    expect(first).toBe(true);
    const row = await rowOf(id);
    expect(row).toMatchObject({ state: "cancelled", ended_reason: "by hand", lease_owner: null });
    for (const column of TIME_COLUMNS) expect(row[column], column).toBeNull();
    const changes = await bench.store.db
      .selectFrom("delivery_changes")
      .select("state")
      .where("cause", "!=", "ingested")
      .execute();
    expect(new Set(changes.map(({ state }) => state))).toEqual(new Set(["cancelled"]));
  });

  test("that is claimed after it was found pending is not parked", async () => {
    const id = await ingested();
    const held = await holdAfter(own.url, /from deliveries/);
    try {
      const parking = parkSomePending(held.store, { id: subscriptionId, now: LATER });
      await held.stopped;
      expect(await claim(bench.store)).toHaveLength(1);
      held.goOn();
      await parking;
      expect(await rowOf(id)).toMatchObject({ state: "pending", lease_owner: "me" });
    } finally {
      await held.close();
    }
  });

  test("that is overdue is deferred by one of two rounds that have found it", async () => {
    const id = await deliveryIn("started");
    const now = LATER + 300_000;
    const defer = (store: Store) => deferReconcile(store, { ids: [id], until: now + 60_000, now });
    const { first, second } = await overlap(bench, /^update deliveries/, defer, defer);
    expect([...first.deferred.keys()]).toEqual([id]);
    expect([...second.deferred.keys()]).toEqual([]);
  });

  test("that is attempted is not cancelled for what was found before the attempt", async () => {
    const id = await deliveryIn("started");
    const now = LATER + 300_000;
    const until = now + 60_000;
    const { deferred } = await deferReconcile(bench.store, { ids: [id], until, now });
    const deferral = deferred.get(id);
    if (deferral === undefined) throw new Error("not deferred");
    const { second } = await overlap(
      bench,
      /^update deliveries/,
      (held) =>
        recordAttempt(held, {
          deliveryId: id,
          attempt: attempt({ number: 2 }),
          state: "started",
          nextAttemptAt: until,
          endedReason: null,
          now,
        }),
      (other) => cancelAsDeferred(other, deferral, { reason: "no workflow", now }),
    );
    expect(second).toBe(false);
    expect(await rowOf(id)).toMatchObject({ state: "started", attempts: 2 });
  });

  /*
   * Lines and subscriptions are locked before deliveries. In another order, each of the two would hold what
   * the other needs next, and the database would roll one back.
   */
  const failed = (store: Store, deliveryId: DeliveryId) =>
    recordAttempt(store, {
      deliveryId,
      attempt: attempt({ number: 2 }),
      state: "started",
      nextAttemptAt: LATER + 60_000,
      pace: ONE_AT_A_TIME,
      endedReason: null,
      now: LATER,
    });

  test("takes its turn while an attempt of it is recorded, and none is rolled back", async () => {
    const deliveryId = await deliveryIn("started");
    const next = { deliveryId, subscriptionId, number: 2 };
    const turn = { ...next, pace: ONE_AT_A_TIME, timeoutMs: 1_000, now: () => LATER };
    const { second, hasWaited, rolledBack } = await overlap(
      bench,
      /from turns/,
      (held) => takeTurn(held, turn),
      (other) => failed(other, deliveryId),
    );
    expect(second).toMatchObject({ kind: "recorded" });
    expect({ hasWaited, rolledBack }).toEqual({ hasWaited: true, rolledBack: 0 });
  });

  test("is parked while an attempt of it is recorded, and none is rolled back", async () => {
    const id = await deliveryIn("started");
    await setSubscription(bench.store, { state: "paused" });
    const { second, hasWaited, rolledBack } = await overlap(
      bench,
      /from subscriptions/,
      (held) => parkDelivery(held, { id, subscriptionId, number: 2, now: LATER }),
      (other) => failed(other, id),
    );
    expect(second).toMatchObject({ kind: "recorded" });
    expect({ hasWaited, rolledBack }).toEqual({ hasWaited: true, rolledBack: 0 });
  });

  test("whose attempt is recorded by two workers at once has it once", async () => {
    const deliveryId = await deliveryIn("started");
    const record = (store: Store) =>
      recordAttempt(store, {
        deliveryId,
        attempt: attempt({ number: 2 }),
        state: "started",
        nextAttemptAt: LATER + 60_000,
        endedReason: null,
        now: LATER,
      });
    const { first, second } = await overlap(bench, /^insert into attempts/, record, record);
    expect(first).toMatchObject({ kind: "recorded" });
    expect(second).toEqual({ kind: "already_recorded", nextAttemptAt: null });
    const { store } = bench;
    expect(await store.db.selectFrom("attempts").select("number").execute()).toEqual([{ number: 2 }]);
  });
});

describe("a subscription on MySQL", () => {
  const exhaust = (store: Store, deliveryId: DeliveryId) =>
    recordAttempt(store, {
      deliveryId,
      attempt: attempt(),
      state: "exhausted",
      nextAttemptAt: null,
      endedReason: null,
      disableRule: { failingForMs: 0, exhausted: 2 },
      now: LATER,
    });

  test("is not drained while it is being paused, and the drain of others does not wait", async () => {
    const id = await deliveryIn("parked");
    await setSubscription(bench.store, { draining: 1 });
    const { second, hasWaited } = await overlap(
      bench,
      /^update subscriptions/,
      (held) => setSubscription(held, { state: "paused", draining: 0 }),
      (other) => drainSubscription(other, { id: subscriptionId, now: LATER }),
    );
    expect({ second, hasWaited }).toEqual({ second: 0, hasWaited: false });
    expect((await rowOf(id)).state).toBe("parked");
  });

  test("that is resumed while a due retry is parked keeps the retry", async () => {
    const id = await deliveryIn("started");
    await setSubscription(bench.store, { state: "paused" });
    const { second } = await overlap(
      bench,
      /^update subscriptions/,
      (held) => transact(held, (tx) => tx.updateTable("subscriptions").set({ state: "active" }).execute()),
      (other) => parkDelivery(other, { id, subscriptionId, number: 2, now: LATER }),
    );
    expect(second).toBe("active");
    expect((await rowOf(id)).state).toBe("started");
  });

  test("is disabled by the last of two deliveries that are exhausted at once", async () => {
    const { store, accountId } = bench;
    const [one, two] = [await ingested(), await ingested()];
    await overlap(
      bench,
      /^update subscriptions set failing_since/,
      (held) => exhaust(held, one),
      (other) => exhaust(other, two),
    );
    const { state } = (await getSubscription(store, { accountId, id: subscriptionId })) ?? {};
    expect(state).toBe("disabled");
    expect(await listDeliveries(store, { accountId, state: "exhausted", limit: 10 })).toHaveLength(2);
  });

  test("that is being ended is not disabled by a delivery that is exhausted", async () => {
    const { store, accountId } = bench;
    const [one, two] = [await ingested(), await ingested()];
    await exhaust(store, one);
    await overlap(
      bench,
      /^update subscriptions/,
      (held) => setSubscription(held, { state: "ended" }),
      (other) => exhaust(other, two),
    );
    expect(await getSubscription(store, { accountId, id: subscriptionId })).toMatchObject({ state: "ended" });
  });
});
