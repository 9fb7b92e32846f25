import { createShares } from "@posthaste/delivery/activities";
import type { AccountId, EventId, SubscriptionId } from "@posthaste/domain";
import { createStopDeadline, type Log } from "@posthaste/runtime";
import {
  claimDeliveries,
  closeStore,
  createAccount,
  createSubscription,
  endSubscription,
  ingestEvents,
  listDeliveries,
  openStore,
  pauseSubscription,
  resumeSubscription,
  type Store,
} from "@posthaste/store";
import { createTestStore, poison, type TestStore, timesIn } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createDispatcher } from "../src/loops/dispatch.ts";
import { createUpkeep } from "../src/loops/upkeep.ts";

describe.each(["sqlite", "mysql"] as const)("upkeep, on %s", (database) => {
  let bench: TestStore;
  let store: Store;
  let now: number;
  let lines: { event: string; fields: Readonly<Record<string, unknown>> }[];
  let log: Log;
  let woken: number;
  beforeEach(async () => {
    bench = await createTestStore(database);
    store = bench.store;
    now = Date.now();
    lines = [];
    woken = 0;
    const add = (event: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void lines.push({ event, fields });
    log = { info: add, warn: add, error: (event, _error, fields) => add(event, fields), with: () => log };
  });
  afterEach(() => bench.dispose());

  const upkeep = () =>
    createUpkeep({
      store,
      log,
      now: () => now,
      straysIntervalMs: 15_000,
      onPending: () => {
        woken += 1;
      },
    });
  const account = async (name: string) => (await createAccount(store, { name, now })).id;
  const subscribe = async (accountId: AccountId, count: number): Promise<SubscriptionId[]> => {
    const ids: SubscriptionId[] = [];
    for (let n = 0; n < count; n++) {
      const { id } = await createSubscription(store, {
        accountId,
        targetUrl: `https://receiver.example/${accountId}/${n}`,
        eventTypes: ["invoice_sent"],
        credential: null,
        acceptance: "OK_ONLY",
        timeoutMs: null,
        now,
      });
      ids.push(id);
    }
    return ids;
  };
  const ingest = async (accountId: AccountId, deliveriesMax = 1_000): Promise<EventId> => {
    const [event] = await ingestEvents(store, {
      accountId,
      now,
      deliveriesMax,
      events: [{ eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null }],
    });
    if (event === undefined) throw new Error("ingest returned no event");
    return event.eventId;
  };
  const countOf = async (eventId: EventId) => {
    const rows = await store.db
      .selectFrom("deliveries")
      .select("id")
      .where("event_id", "=", eventId)
      .execute();
    return rows.length;
  };
  const setAsides = () =>
    lines.filter(({ event }) => event === "upkeep.set_aside").map(({ fields }) => fields["piece"]);
  test("finishes wide fan-outs, reports pending deliveries, and then finds no more work", async () => {
    const accountId = await account("wide");
    await subscribe(accountId, 5);
    const eventId = await ingest(accountId, 2);
    const { round } = upkeep();
    expect(await round()).toBe("done");
    expect(await countOf(eventId)).toBe(5);
    expect(woken).toBe(1);
    expect(await round()).toBe("done");
    expect(woken).toBe(1);
  });

  test("sets aside a fan-out that throws; other fan-outs finish and deliveries are claimed", async () => {
    const [poisoned, healthy, narrow] = [
      await account("poisoned"),
      await account("healthy"),
      await account("narrow"),
    ];
    for (const accountId of [poisoned, healthy, narrow]) await subscribe(accountId, 3);
    const bad = await ingest(poisoned, 1);
    const { heal } = await poison(store, {
      table: "deliveries",
      on: "insert",
      condition: `new.event_id = '${bad}'`,
    });
    const good = await ingest(healthy, 1);
    const single = await ingest(narrow);
    const { round } = upkeep();
    await round();
    expect(await countOf(good)).toBe(3);
    expect(await countOf(bad)).toBe(1);
    expect(setAsides()).toEqual([bad]);

    const started: string[] = [];
    const dispatcher = createDispatcher({
      store,
      log,
      now: () => now,
      start: async ({ eventId }) => void started.push(eventId),
      owner: "test",
      batch: 100,
      leaseMs: 30_000,
      inFlightMax: 10,
      shares: createShares(100),
    });
    await dispatcher.round();
    await dispatcher.stop(createStopDeadline(60_000));
    expect(started.sort()).toEqual([bad, good, good, good, single, single, single].sort());

    // The fan-out is tried again after growing pauses, and finishes once the table is healed.
    await round();
    expect(setAsides()).toEqual([bad]);
    now += 1_000;
    await round();
    expect(setAsides()).toEqual([bad, bad]);
    await heal();
    now += 1_999;
    await round();
    expect(await countOf(bad)).toBe(1);
    now += 1;
    await round();
    expect(await countOf(bad)).toBe(3);
    expect(setAsides()).toEqual([bad, bad]);
  });

  if (database === "mysql") {
    test("sets aside a fan-out whose statement is too slow, while the database answers others", async () => {
      const [slow, healthy] = [await account("slow"), await account("healthy")];
      for (const accountId of [slow, healthy]) await subscribe(accountId, 3);
      const bad = await ingest(slow, 1);
      const good = await ingest(healthy, 1);
      await poison(store, {
        table: "deliveries",
        on: "insert",
        condition: `new.event_id = '${bad}'`,
        hangsForS: 4,
      });
      const impatient = await openStore({ url: bench.url, deadlines: { statementMs: 2_000 } });
      try {
        await createUpkeep({
          store: impatient,
          log,
          now: () => now,
          straysIntervalMs: 15_000,
          onPending: () => {},
        }).round();
      } finally {
        await closeStore(impatient);
      }
      expect(setAsides()).toEqual([bad]);
      expect(await countOf(good)).toBe(3);
    });
  }

  test("sets nothing aside if the database is unavailable: the round fails", async () => {
    const { round } = upkeep();
    await closeStore(store);
    await expect(round()).rejects.toThrow();
    expect(setAsides()).toEqual([]);
  });

  test("sets aside a drain that throws, and the other drains continue", async () => {
    const accountId = await account("drained");
    const [bad, good] = await subscribe(accountId, 2);
    if (bad === undefined || good === undefined) throw new Error("two are needed");
    for (const id of [bad, good]) await pauseSubscription(store, { accountId, id, now });
    await ingest(accountId);
    for (const id of [bad, good]) await resumeSubscription(store, { accountId, id, now });
    await poison(store, { table: "deliveries", on: "update", condition: `new.subscription_id = ${bad}` });
    const { round, isDraining } = upkeep();
    await round();
    expect(setAsides()).toEqual([String(bad)]);
    expect(isDraining()).toBe(true);
    const pending = await listDeliveries(store, { accountId, state: "pending", limit: 10 });
    expect(pending.map(({ subscriptionId }) => subscriptionId)).toEqual([good]);
  });

  test("gives a drain its turn in every round despite wide fan-outs", async () => {
    const [wide, drained] = [await account("wide"), await account("drained")];
    await subscribe(wide, 300);
    for (let n = 0; n < 5; n++) await ingest(wide, 1);
    const [id] = await subscribe(drained, 1);
    if (id === undefined) throw new Error("one is needed");
    await pauseSubscription(store, { accountId: drained, id, now });
    for (let n = 0; n < 40; n++) await ingest(drained);
    await resumeSubscription(store, { accountId: drained, id, now });
    const { round } = upkeep();
    const pendingOf = async (accountId: AccountId) =>
      (await listDeliveries(store, { accountId, state: "pending", limit: 2_000 })).length;
    expect(await round()).toBe("more");
    expect(await pendingOf(wide)).toBe(5 + 2 * 299);
    expect(await pendingOf(drained)).toBe(32);
    await round();
    await round();
    expect(await pendingOf(wide)).toBe(5 * 300);
    expect(await round()).toBe("done");
  });

  if (database === "mysql") {
    test("continues other drains while a transaction locks one subscription", async () => {
      const accountId = await account("locked");
      const [locked, free] = await subscribe(accountId, 2);
      if (locked === undefined || free === undefined) throw new Error("two are needed");
      for (const id of [locked, free]) await pauseSubscription(store, { accountId, id, now });
      await ingest(accountId);
      for (const id of [locked, free]) await resumeSubscription(store, { accountId, id, now });
      const holder = await store.db.startTransaction().execute();
      await holder.selectFrom("subscriptions").select("id").where("id", "=", locked).forUpdate().execute();
      const { round } = upkeep();
      await round();
      const states = async () =>
        (await listDeliveries(store, { accountId, limit: 10 })).map(({ state }) => state).sort();
      expect(await states()).toEqual(["parked", "pending"]);
      expect(setAsides()).toEqual([]);
      await holder.rollback().execute();
      await round();
      expect(await states()).toEqual(["pending", "pending"]);
    });
  }

  test.each([64, 150])(
    "gives another drain its turn while %i drains wait for their receivers",
    async (count) => {
      const [slow, quick] = [await account("slow"), await account("quick")];
      const waiting = await subscribe(slow, count);
      for (let n = 0; n < 17; n++) await ingest(slow);
      // The state in the middle of a drain: as many deliveries are pending as a drain keeps ahead.
      await store.db.updateTable("subscriptions").set({ draining: 1 }).where("id", "in", waiting).execute();
      const [id] = await subscribe(quick, 1);
      if (id === undefined) throw new Error("one is needed");
      await pauseSubscription(store, { accountId: quick, id, now });
      const eventId = await ingest(quick);
      await resumeSubscription(store, { accountId: quick, id, now });
      const { round } = upkeep();
      while ((await round()) === "more");
      const [delivery] = await listDeliveries(store, { accountId: quick, eventId, limit: 1 });
      expect(delivery?.state).toBe("pending");
    },
  );

  test("finishes an account's fan-out in the first round, behind a hundred", async () => {
    const [many, few] = [await account("many"), await account("few")];
    for (const accountId of [many, few]) await subscribe(accountId, 3);
    for (let n = 0; n < 100; n++) await ingest(many, 1);
    const eventId = await ingest(few, 1);
    await upkeep().round();
    expect(await countOf(eventId)).toBe(3);
  });

  test("continues a drain in every round, beside 150 drains of another account", async () => {
    const [slow, quick] = [await account("slow"), await account("quick")];
    const waiting = await subscribe(slow, 150);
    for (let n = 0; n < 17; n++) await ingest(slow);
    await store.db.updateTable("subscriptions").set({ draining: 1 }).where("id", "in", waiting).execute();
    const [id] = await subscribe(quick, 1);
    if (id === undefined) throw new Error("one is needed");
    await pauseSubscription(store, { accountId: quick, id, now });
    for (let n = 0; n < 100; n++) await ingest(quick);
    await resumeSubscription(store, { accountId: quick, id, now });
    const { round } = upkeep();
    const drained: number[] = [];
    for (let n = 0; n < 4; n++) {
      await round();
      // Its receiver accepts what is pending at once.
      const pending = await listDeliveries(store, { accountId: quick, state: "pending", limit: 100 });
      drained.push(pending.length);
      await store.db
        .updateTable("deliveries")
        .set({ state: "succeeded", ...timesIn("succeeded", now) })
        .where("account_id", "=", quick)
        .where("state", "=", "pending")
        .execute();
    }
    expect(drained).toEqual([32, 32, 32, 4]);
  });

  test("finishes the end of an account's subscription in the first round, behind a hundred", async () => {
    const [many, few] = [await account("many"), await account("few")];
    const ending = await subscribe(many, 100);
    const [id] = await subscribe(few, 1);
    if (id === undefined) throw new Error("one is needed");
    await store.db
      .updateTable("subscriptions")
      .set({ state: "ended", ended_at: now, ended_reason: "asked for", ending: 1 })
      .where("id", "in", [...ending, id])
      .execute();
    await upkeep().round();
    const row = await store.db
      .selectFrom("subscriptions")
      .select("ending")
      .where("id", "=", id)
      .executeTakeFirst();
    expect(row?.ending).toBe(0);
  });

  test("finds parked deliveries that no drain covers, at the interval for strays", async () => {
    const accountId = await account("strays");
    await subscribe(accountId, 1);
    const eventId = await ingest(accountId);
    const { round } = upkeep();
    await round();
    await store.db
      .updateTable("deliveries")
      .set({ state: "parked", ...timesIn("parked", now) })
      .execute();
    const state = async () => (await listDeliveries(store, { accountId, eventId, limit: 1 }))[0]?.state;
    now += 14_999;
    await round();
    await round();
    expect(await state()).toBe("parked");
    now += 1;
    await round();
    await round();
    expect(await state()).toBe("pending");
    const claimed = await claimDeliveries(store, {
      owner: "test",
      limit: 10,
      inFlightMax: 10,
      leaseMs: 1_000,
      now: () => now,
    });
    expect(claimed).toHaveLength(1);
  });

  test("cancels what an ingest in flight parked behind a subscription that has ended", async () => {
    const accountId = await account("late");
    const [id] = await subscribe(accountId, 1);
    if (id === undefined) throw new Error("one is needed");
    const eventId = await ingest(accountId);
    await endSubscription(store, { accountId, id, reason: "asked for", now });
    await store.db
      .updateTable("deliveries")
      .set({ state: "parked", ...timesIn("parked", now), ended_at: null })
      .execute();
    const { round } = upkeep();
    while ((await round()) === "more");
    await round();
    const [delivery] = await listDeliveries(store, { accountId, eventId, limit: 1 });
    expect(delivery).toMatchObject({ state: "cancelled", endedReason: "its subscription has ended" });
  });

  test("finishes the end of a subscription with thousands of deliveries, after its caller has died", async () => {
    const accountId = await account("ending");
    const [id] = await subscribe(accountId, 1);
    if (id === undefined) throw new Error("one is needed");
    const events = Array.from({ length: 1_200 }, () => ({
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      idempotencyKey: null,
    }));
    await ingestEvents(store, { accountId, now, deliveriesMax: 2_000, events });
    const { heal } = await poison(store, {
      table: "deliveries",
      on: "update",
      condition: "new.state = 'cancelled'",
    });
    await expect(endSubscription(store, { accountId, id, reason: "asked for", now })).rejects.toThrow();
    await heal();
    const { round } = upkeep();
    const open = async () =>
      (await listDeliveries(store, { accountId, state: "pending", limit: 2_000 })).length;
    expect(await round()).toBe("more");
    expect(await open()).toBe(700);
    while ((await round()) === "more");
    expect(await open()).toBe(0);
    expect(setAsides()).toEqual([]);
  });
});
