import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { poison } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { markHandedOver, recordAttempts } from "../src/attempts/record-attempt.ts";
import {
  type Claim,
  changeDeferral,
  claimDeliveries,
  countChanges,
  createAccount,
  currentCursor,
  deferReconcile,
  drainSubscription,
  listChanges,
  listDeliveries,
  listOverdue,
  markStarted,
  orderChanges,
  pauseSubscription,
  readStatistics,
  releaseClaims,
  renewClaims,
  resumeSubscription,
  setAsideClaims,
} from "../src/index.ts";
import { attempt, type Bench, NOW, onEachDatabase } from "./fixture.ts";
import { insertDeliveries, nthDelivery } from "./many-rows.ts";

/*
 * One row that cannot be changed must not keep the others from it. A row is bad in one of two ways: it does
 * not fit its state, so the table of transitions refuses it, or the database refuses to write it.
 */

/** Claims, and returns the deliveries and what was refused. */
async function claim({ store }: Bench, over: Partial<Claim> = {}) {
  const refused: (DeliveryId | SubscriptionId)[] = [];
  const errors: string[] = [];
  const claimed = await claimDeliveries(store, {
    owner: "me",
    limit: 100,
    inFlightMax: 100,
    leaseMs: 30_000,
    now: () => NOW,
    onRefused({ subscriptions, deliveries }) {
      for (const { item, error } of [...subscriptions, ...deliveries]) {
        refused.push(item);
        errors.push(String(error));
      }
    },
    ...over,
  });
  return { claimed, refused, errors };
}
const idsOf = ({ claimed }: { claimed: readonly { deliveryId: DeliveryId }[] }) =>
  claimed.map(({ deliveryId }) => deliveryId);

let types = 0;

/** Ingests events for one new subscription only, and returns their deliveries, oldest first. */
async function pending(bench: Bench, count: number): Promise<[DeliveryId, ...DeliveryId[]]> {
  const { store, accountId, subscribe, ingest } = bench;
  const eventType = `type_${++types}`;
  const { id: subscriptionId } = await subscribe({ eventTypes: [eventType] });
  for (let n = 0; n < count; n++) await ingest({ eventType });
  const rows = await listDeliveries(store, { accountId, subscriptionId, limit: count });
  return rows.map(({ id }) => id).reverse() as [DeliveryId, ...DeliveryId[]];
}

/** Gives pending deliveries a time that only started ones have. */
const spoil = async ({ store }: Bench, ids: readonly DeliveryId[]) =>
  await store.db.updateTable("deliveries").set({ reconcile_after: NOW }).where("id", "in", ids).execute();

const rowsOf = ({ store }: Bench, ids: readonly DeliveryId[]) =>
  store.db.selectFrom("deliveries").selectAll().where("id", "in", ids).orderBy("id").execute();

onEachDatabase("a claim", (bench) => {
  test("takes the others if a row does not fit its state, and sets that row aside", async () => {
    const bad = await pending(bench(), 2);
    const good = await pending(bench(), 3);
    await spoil(bench(), bad);
    const result = await claim(bench());
    expect(idsOf(result)).toEqual(good);
    expect(result.refused).toEqual(bad);
    expect(result.errors[0]).toContain("is pending and has a reconcile_after");
    expect(await claim(bench(), { now: () => NOW + 5 * MINUTE_MS })).toMatchObject({ refused: [] });
    expect(await claim(bench(), { now: () => NOW + 5 * MINUTE_MS + 1 })).toMatchObject({ refused: bad });
  });

  test("reaches the deliveries of a subscription behind any number of rows that do not fit", async () => {
    const all = await pending(bench(), 100);
    const bad = all.slice(0, 80);
    await spoil(bench(), bad);
    const good: DeliveryId[] = [];
    for (let round = 0; round < 4; round++) {
      good.push(...idsOf(await claim(bench(), { inFlightMax: 32, now: () => NOW + round })));
    }
    expect(good.sort()).toEqual(all.slice(80).sort());
    // They occupy none of the subscription's places.
    for (const row of await rowsOf(bench(), bad)) expect(row).toMatchObject({ in_flight_of: null });
  });

  test("takes the others if the database refuses a row of one of 64 subscriptions, until it is healed", async () => {
    const { store } = bench();
    const all: DeliveryId[] = [];
    for (let n = 0; n < 64; n++) all.push((await pending(bench(), 1))[0]);
    const bad = (await rowsOf(bench(), all))[10];
    const { heal } = await poison(store, {
      table: "deliveries",
      on: "update",
      condition: `new.subscription_id = ${bad?.subscription_id}`,
    });
    const result = await claim(bench());
    expect(result.refused).toEqual([bad?.subscription_id]);
    expect(idsOf(result).sort()).toEqual(all.filter((id) => id !== bad?.id).sort());
    const leftOut = await claim(bench(), { isLeftOut: (id) => id === bad?.subscription_id });
    expect(leftOut).toMatchObject({ claimed: [], refused: [] });
    await heal();
    expect(idsOf(await claim(bench()))).toEqual([bad?.id]);
  });

  test("that is set aside frees its place, and nobody else can claim the delivery before its time", async () => {
    const [first, second] = (await pending(bench(), 2)) as [DeliveryId, DeliveryId];
    await claim(bench(), { inFlightMax: 1 });
    const { store } = bench();
    const claims = [{ id: first, untilMs: NOW + 60_000 }];
    expect(await setAsideClaims(store, { owner: "other", claims, now: NOW })).toEqual([]);
    expect(idsOf(await claim(bench(), { inFlightMax: 1 }))).toEqual([]);
    expect(await setAsideClaims(store, { owner: "me", claims, now: NOW })).toEqual([]);
    expect(idsOf(await claim(bench(), { inFlightMax: 1 }))).toEqual([second]);
    const late = { owner: "other", now: () => NOW + 60_001 };
    expect(idsOf(await claim(bench(), late))).toEqual([first, second]);
  });
});

onEachDatabase("a batch of claims", (bench) => {
  test.each(["marked started", "renewed", "released", "set aside"] as const)(
    "is %s except for the row that the database refuses",
    async (what) => {
      const { store } = bench();
      const ids = await pending(bench(), 9);
      await claim(bench());
      const bad = ids[4] as DeliveryId;
      await poison(store, { table: "deliveries", on: "update", condition: `new.id = '${bad}'` });
      const batch = { owner: "me", ids, now: NOW };
      const until = NOW + 90_000;
      const refused = await {
        "marked started": () => markStarted(store, batch),
        renewed: async () =>
          (await renewClaims(store, { ...batch, leaseMs: 90_000, now: () => NOW })).refused,
        released: () => releaseClaims(store, batch),
        "set aside": () =>
          setAsideClaims(store, { ...batch, claims: ids.map((id) => ({ id, untilMs: until })) }),
      }[what]();
      expect(refused.map(({ item }) => item)).toEqual([bad]);
      const after = {
        "marked started": { state: "started", lease_until: null },
        renewed: { state: "pending", lease_until: until, lease_owner: "me" },
        released: { state: "pending", lease_until: null },
        "set aside": { state: "pending", lease_until: until, lease_owner: null, in_flight_of: null },
      }[what];
      for (const row of await rowsOf(bench(), ids)) {
        if (row.id === bad) expect(row).toMatchObject({ state: "pending", lease_until: NOW + 30_000 });
        else expect(row).toMatchObject(after);
      }
    },
  );

  test("is marked started only by the worker that holds it", async () => {
    const { store } = bench();
    const ids = await pending(bench(), 2);
    await claim(bench(), { owner: "slow" });
    const later = NOW + 30_001;
    expect(idsOf(await claim(bench(), { owner: "quick", now: () => later, limit: 1 }))).toEqual([ids[0]]);
    // The slow worker's starts are answered only now. Nobody has claimed the second delivery since.
    expect(await markStarted(store, { owner: "slow", ids, now: later })).toEqual([]);
    const states = async () => (await rowsOf(bench(), ids)).map(({ state }) => state);
    expect(await states()).toEqual(["pending", "started"]);
    await markStarted(store, { owner: "quick", ids: ids.slice(0, 1), now: later });
    expect(await states()).toEqual(["started", "started"]);
  });
});

onEachDatabase("overdue deliveries", (bench) => {
  async function overdue(count: number): Promise<[DeliveryId, ...DeliveryId[]]> {
    const ids = await pending(bench(), count);
    await claim(bench());
    await markStarted(bench().store, { owner: "me", ids, now: NOW - 10 * MINUTE_MS });
    return ids;
  }

  test("are deferred by one of two rounds that found them", async () => {
    const { store } = bench();
    const ids = await overdue(3);
    const round = { ids, until: NOW + MINUTE_MS, now: NOW };
    expect([...(await deferReconcile(store, round)).deferred.keys()]).toEqual(ids);
    expect((await deferReconcile(store, { ...round, until: NOW + 1 })).deferred.size).toBe(0);
  });

  test("are deferred even if a row does not fit its state, so that it cannot hide the others", async () => {
    const { store } = bench();
    const ids = await overdue(3);
    await store.db
      .updateTable("deliveries")
      .set({ next_attempt_at: null })
      .where("id", "=", ids[0])
      .execute();
    const { deferred, refused } = await deferReconcile(store, { ids, until: NOW + MINUTE_MS, now: NOW });
    expect([deferred.size, refused]).toEqual([3, []]);
    expect((await listOverdue(store, { now: NOW, limit: 10 })).deliveries).toEqual([]);
  });

  test("are deferred, and their deferrals changed, except for a row that the database refuses", async () => {
    const { store } = bench();
    const ids = await overdue(5);
    const bad = ids[2] as DeliveryId;
    const { heal } = await poison(store, {
      table: "deliveries",
      on: "update",
      condition: `new.id = '${bad}'`,
    });
    const until = NOW + MINUTE_MS;
    const { deferred, refused } = await deferReconcile(store, { ids, until, now: NOW });
    expect([deferred.size, refused.map(({ item }) => item)]).toEqual([4, [bad]]);
    await heal();
    await deferReconcile(store, { ids: [bad], until, now: NOW });
    await poison(store, { table: "deliveries", on: "update", condition: `new.id = '${bad}'` });
    const changes = ids.map((id) => ({ id, until: NOW - 1 }));
    const kept = await changeDeferral(store, { from: until, changes, now: NOW });
    expect(kept.map(({ item }) => item)).toEqual([bad]);
    expect((await listOverdue(store, { now: NOW, limit: 10 })).deliveries).toHaveLength(4);
  });

  test("are listed in turns by account, however many another has that wait longer, window after window", async () => {
    const { store } = bench();
    await insertDeliveries(store, [
      { count: 6_000, subscriptions: 1, account: 2, state: "started" },
      { count: 1, subscriptions: 1, first: 2, account: 3, state: "started" },
    ]);
    const overdueSince = (at: number) => ({ reconcile_after: at });
    const db = store.db.updateTable("deliveries");
    const inWindow = nthDelivery(4_000);
    await db
      .set(overdueSince(NOW - 2))
      .where("account_id", "=", 2 as AccountId)
      .execute();
    await db
      .set({ ...overdueSince(NOW - 2), account_id: 4 as AccountId })
      .where("id", "=", inWindow)
      .execute();
    const page = { now: NOW, limit: 3 };
    const first = await listOverdue(store, page);
    expect(first.deliveries.map((row) => row.deliveryId)).toEqual([nthDelivery(0), inWindow, nthDelivery(1)]);
    expect(first.next).toEqual({ id: nthDelivery(4_999), overdueSince: NOW - 2 });
    const second = await listOverdue(store, { ...page, after: first.next });
    expect(second.deliveries.map((row) => row.deliveryId)).toEqual([
      nthDelivery(5_000),
      nthDelivery(6_000),
      nthDelivery(5_001),
    ]);
    expect(second.next).toBeUndefined();
  });

  test("are found although the subscription of the first of them is gone", async () => {
    const { store } = bench();
    const [first, second] = (await overdue(2)) as [DeliveryId, DeliveryId];
    await store.db
      .updateTable("deliveries")
      .set({ subscription_id: 999_999 as SubscriptionId })
      .where("id", "=", first)
      .execute();
    expect((await listOverdue(store, { now: NOW, limit: 1 })).deliveries).toMatchObject([
      { deliveryId: first, targetUrl: null },
    ]);
    await deferReconcile(store, { ids: [first], until: NOW + MINUTE_MS, now: NOW });
    expect((await listOverdue(store, { now: NOW, limit: 1 })).deliveries).toMatchObject([
      { deliveryId: second },
    ]);
  });
});

onEachDatabase("a drain", (bench) => {
  test("makes deliveries pending although one of them holds a time that no parked delivery has", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await pauseSubscription(store, { accountId, id, now: NOW });
    for (let n = 0; n < 3; n++) await ingest();
    await store.db.updateTable("deliveries").set({ reconcile_after: NOW, turn_at: NOW }).execute();
    await resumeSubscription(store, { accountId, id, now: NOW });
    expect(await drainSubscription(store, { id, now: NOW })).toBe(3);
    expect(idsOf(await claim(bench()))).toHaveLength(1);
  });
});

onEachDatabase("the log of changes", (bench) => {
  test("is ordered except for a change that the database refuses, which follows once it is healed", async () => {
    const { store, accountId } = bench();
    const after = await currentCursor(store);
    const ids = await pending(bench(), 5);
    const bad = ids[1] as DeliveryId;
    const { heal } = await poison(store, {
      table: "delivery_changes",
      on: "update",
      condition: `new.delivery_id = '${bad}'`,
    });
    const refused: number[] = [];
    const order = () => orderChanges(store, NOW, (some) => refused.push(...some.map(({ item }) => item)));
    const read = async () =>
      (await listChanges(store, { accountId, after, limit: 10 })).changes.map((change) => change.deliveryId);
    expect(await order()).toBe(4);
    expect(refused).toHaveLength(1);
    expect(await read()).toEqual(ids.filter((id) => id !== bad));
    expect(await order()).toBe(0);
    await heal();
    expect(await order()).toBe(1);
    expect(await read()).toEqual([...ids.filter((id) => id !== bad), bad]);
  });

  test.each(["cannot be read", "cannot be written"] as const)(
    "is counted for the others if one account's counters %s",
    async (problem) => {
      const { store, accountId, subscribe, ingest } = bench();
      const { id: badId } = await createAccount(store, { name: "bad", now: NOW });
      for (const id of [badId, accountId]) await subscribe({ accountId: id });
      const ingestForBoth = async () => {
        for (const id of [badId, accountId]) await ingest({ accountId: id });
      };
      const count = async () => {
        const uncounted: number[] = [];
        while ((await orderChanges(store, NOW)) > 0);
        const read = await countChanges(store, (some) => uncounted.push(...some.map((one) => one.accountId)));
        return { read, uncounted };
      };
      await ingestForBoth();
      expect(await count()).toEqual({ read: 2, uncounted: [] });
      if (problem === "cannot be written") {
        await poison(store, { table: "statistics", on: "update", condition: `new.account_id = ${badId}` });
      } else {
        await store.db
          .updateTable("statistics")
          .set({ took: "[1," })
          .where("account_id", "=", badId)
          .execute();
      }
      await ingestForBoth();
      // Both spans are left out, and the cursor is past the changes.
      expect(await count()).toEqual({ read: 2, uncounted: [badId, badId] });
      expect(await count()).toEqual({ read: 0, uncounted: [] });
      const counted = await readStatistics(store, {
        accountId,
        spanMs: 900_000,
        bucketMs: 900_000,
        fromAt: NOW,
        untilAt: NOW + 1,
      });
      expect(counted.at(0)?.counts).toMatchObject({ events: 2, deliveries: 2 });
    },
  );
});

onEachDatabase("a group of attempts", (bench) => {
  test("is recorded although a delivery cannot be cancelled whose subscription one of them ends", async () => {
    const { store } = bench();
    const [ending, waiting] = await pending(bench(), 2);
    const [other] = await pending(bench(), 1);
    await poison(store, { table: "deliveries", on: "update", condition: `new.id = '${waiting}'` });
    const recorded = (deliveryId: DeliveryId, isGone: boolean) => ({
      deliveryId,
      attempt: attempt({ outcome: isGone ? "gone" : "accepted", status: isGone ? 410 : 200 }),
      state: isGone ? ("cancelled" as const) : ("succeeded" as const),
      nextAttemptAt: null,
      endedReason: null,
      now: NOW,
    });
    const settled = await recordAttempts(store, [recorded(ending, true), recorded(other, false)]);
    expect(settled).toEqual([
      { result: { kind: "recorded", nextAttemptAt: null } },
      { result: { kind: "recorded", nextAttemptAt: null } },
    ]);
  });

  test("is handed over except for a row that the database refuses", async () => {
    const { store } = bench();
    const ids = await pending(bench(), 3);
    await claim(bench());
    await markStarted(store, { owner: "me", ids, now: NOW });
    const bad = ids[1] as DeliveryId;
    await poison(store, { table: "deliveries", on: "update", condition: `new.id = '${bad}'` });
    const handed = ids.map((id) => ({ id, nextAttemptAt: NOW, now: NOW + 1 }));
    expect(await markHandedOver(store, handed)).toEqual([
      { result: undefined },
      { error: expect.anything() },
      { result: undefined },
    ]);
  });
});
