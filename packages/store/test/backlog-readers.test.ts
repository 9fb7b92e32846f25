import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { leastDeliveryId } from "../src/database/ids.ts";
import { countOverdue, searchOldestFree } from "../src/dispatch/backlog.ts";
import {
  accountBacklog,
  advanceRecovery,
  closeStore,
  countChanges,
  createAccount,
  createRecovery,
  drainSubscription,
  endSubscription,
  listChanges,
  listDeliveries,
  listOverdue,
  listParked,
  measureBacklog,
  openStore,
  orderChanges,
  reserveTurn,
  retain,
  type Store,
  subscriptionHealth,
  takeTurn,
} from "../src/index.ts";
import { parkPending } from "../src/lifecycle/park-deliveries.ts";
import { idsIn, NOW } from "./fixture.ts";
import { gatherStatistics, insertDeliveries, insertSubscriptions, nthDelivery } from "./many-rows.ts";
import { measureReads } from "./measure-reads.ts";

const LOTS = 100_000;
const accountId = 1 as AccountId;
const busy = 1 as SubscriptionId;
const ending = 2 as SubscriptionId;
const OF_ENDING = 10_000;
const SLOT_MS = 10_000;
const FIRST_STARTED = 1 + LOTS + OF_ENDING;

/** Readers of a few rows among many, each with the most rows that it may read: the few, and their details. */
const READERS: Readonly<Record<string, { max: number; call: (store: Store) => Promise<unknown> }>> = {
  // Eight for each delivery of a window: its end is found, then each account's turns are sorted.
  "the reconciler's overdue deliveries": {
    max: 45_000,
    call: async (store) => {
      const { deliveries } = await listOverdue(store, { now: NOW, limit: 100 });
      expect(deliveries).toHaveLength(100);
    },
  },
  "stray parked deliveries": {
    max: 500,
    call: async (store) => expect(idsIn(await listParked(store, { limit: 64 }))).toHaveLength(1),
  },
  "a step of a drain": {
    max: 500,
    call: async (store) => expect(await drainSubscription(store, { id: busy, now: NOW })).toBe(0),
  },
  "a step of parking pending deliveries": {
    max: 5_000,
    call: (store) =>
      store.db
        .transaction()
        .execute(async (tx) =>
          expect(await parkPending(store, tx, { id: busy, now: NOW, limit: 500 })).toBe(500),
        ),
  },
  "a retry's turn while first attempts wait": { max: 500, call: takeTurnForRetry },
  "an account's deliveries in a state": {
    max: 100,
    call: async (store) =>
      expect(await listDeliveries(store, { accountId, state: "exhausted", limit: 50 })).toHaveLength(50),
  },
  "a subscription's deliveries in a state": {
    max: 100,
    call: async (store) =>
      expect(
        await listDeliveries(store, { accountId, subscriptionId: busy, state: "exhausted", limit: 50 }),
      ).toHaveLength(50),
  },
  "an account's backlog": { max: 65_000, call: (store) => accountBacklog(store, accountId) },
  "a subscription's health": {
    max: 50_000,
    call: (store) => subscriptionHealth(store, { accountId, id: busy }),
  },
  "a step of retention of events": {
    max: 5_000,
    call: async (store) => {
      const step = await retain(store, { kind: "events", before: NOW + 1, cursor: "" });
      expect(step).toMatchObject({ deleted: 200 });
    },
  },
  "a retry's time, behind thousands of slots that have passed and before thousands that are full": {
    max: 1_000,
    call: (store) => reserveAmongSlots(store),
  },
  "a step of an account's recovery": { max: 3_000, call: (store) => recoverStep(store, null, 100) },
  // The deliveries that the step before has sent again.
  "a step of a subscription's recovery": { max: 3_000, call: (store) => recoverStep(store, busy, 0) },
  "changes that have no batch yet": {
    max: 3_500,
    call: async (store) => expect(await orderChanges(store, NOW)).toBe(1_000),
  },
  "changes after a cursor": {
    max: 1_000,
    call: async (store) => {
      const { changes } = await listChanges(store, { accountId, after: { batch: 7, id: 5 }, limit: 500 });
      expect(changes).toHaveLength(500);
    },
  },
  "changes not counted yet": {
    max: 2_000,
    call: async (store) => expect(await countChanges(store)).toBe(500),
  },
  // Two for each that is started. A retry of the readers above has moved on.
  "the number of overdue deliveries": {
    max: 45_000,
    call: async (store) => expect(await countOverdue(store, NOW + 120_000)).toBe(19_999),
  },
  "the oldest delivery that is not held back": {
    max: 8_000,
    async call(store) {
      const hold = (draining: 0 | 1) =>
        store.db.updateTable("subscriptions").set({ draining }).where("id", "!=", ending).execute();
      await hold(1);
      expect(await searchOldestFree(store, { now: NOW, inFlightMax: 10 })).toBe(nthDelivery(LOTS + 1));
      await hold(0);
    },
  },
  "the end of a subscription": {
    max: 8 * OF_ENDING,
    call: (store) => endSubscription(store, { accountId, id: ending, reason: "asked for", now: NOW }),
  },
};

let t: TestStore;
let store: Store;

describe.each(["sqlite", "mysql"] as const)("beside a backlog of 100,000, on %s", (backend) => {
  beforeEach(async () => {
    t = await createTestStore(backend);
    store = await openStore({ url: t.url, poolSize: 1 });
    await createAccount(store, { name: "first", now: NOW });
    await insertDeliveries(store, [
      { count: 1, state: "pending", subscriptions: 1, first: 3 },
      { count: LOTS, state: "pending", subscriptions: 1 },
      { count: OF_ENDING, state: "pending", subscriptions: 1, first: ending },
      { count: 20_000, state: "started", subscriptions: 1 },
      { count: 5_000, state: "exhausted", subscriptions: 1 },
      { count: 5_000, state: "succeeded", subscriptions: 1 },
      { count: 5_000, state: "parked", subscriptions: 1, first: 4 },
    ]);
    await insertSubscriptions(store);
    await insertChanges();
    await insertEvents();
    await insertSlots();
  });
  afterEach(async () => {
    await closeStore(store);
    await t.dispose();
  });

  const title = "the oldest delivery is reported, and each reader stays within its rows, with %s statistics";
  test.each(["stale", "fresh"])(title, async (statistics) => {
    await expectOldestReported();
    if (statistics === "fresh") await gatherStatistics(store);
    const tooMuch: unknown[] = [];
    for (const [what, { max, call }] of Object.entries(READERS)) {
      const { rows, scans } = await measureReads(store, () => call(store));
      if (rows > max || scans.length > 0) tooMuch.push({ what, rows, scans });
    }
    expect(tooMuch).toEqual([]);
  });
});

/** Expects the oldest pending time to be reported even if the count stops before it reaches that delivery. */
async function expectOldestReported(): Promise<void> {
  const oldestAt = NOW - 3_600_000;
  const [id, older] = [nthDelivery(0), `${leastDeliveryId(oldestAt)}${"0".repeat(16)}` as DeliveryId];
  const rename = (from: DeliveryId, to: DeliveryId) =>
    store.db.updateTable("deliveries").set({ id: to }).where("id", "=", from).execute();
  expect((await measureBacklog(store, { now: NOW, inFlightMax: 10 })).pending).toBe(LOTS);
  await rename(id, older);
  expect((await measureBacklog(store, { now: NOW, inFlightMax: 10 })).oldestPendingAt).toBe(oldestAt);
  await rename(older, id);
}

/** Inserts a change for each delivery. All are in a batch, except those of the 5,000 parked deliveries. */
async function insertChanges(): Promise<void> {
  await sql`
    insert into delivery_changes
      (batch, account_id, delivery_id, event_id, event_type, subscription_id,
        cause, state, attempts, changed_at)
    select case when state = 'parked' then null else 9 end,
      account_id, id, event_id, event_type, subscription_id, 'ingested', state, attempts, ${NOW}
    from deliveries
  `.execute(store.db);
  await store.db.updateTable("change_counter").set({ batch: 9 }).execute();
}

/** Inserts the events of the 5,000 deliveries that have succeeded, and of the 5,000 that are exhausted. */
async function insertEvents(): Promise<void> {
  await sql`
    insert into events (id, account_id, event_type, data, created_at)
    select event_id, account_id, event_type, ${Buffer.from("{}")}, ${NOW} from deliveries
    where state in ('succeeded', 'exhausted')
  `.execute(store.db);
}

/** Inserts a turn slot for each of the 20,000 started deliveries. */
async function insertSlots(): Promise<void> {
  await sql`
    insert into turn_slots (subscription_id, account_id, slot, taken)
    select ${busy}, ${accountId}, row_number() over (order by id), 1 from deliveries where state = 'started'
  `.execute(store.db);
}

/** A retry asks for its turn while first attempts wait and retries hold half of the places. */
async function takeTurnForRetry({ db }: Store): Promise<void> {
  const [first, second] = [nthDelivery(FIRST_STARTED), nthDelivery(FIRST_STARTED + 1)];
  await db.updateTable("deliveries").set({ attempts: 1 }).where("id", "in", [first, second]).execute();
  await db.updateTable("deliveries").set({ in_flight_of: busy }).where("id", "=", first).execute();
  const request = {
    subscriptionId: busy,
    number: 2,
    pace: { rate: null, concurrency: 2 },
    timeoutMs: 1_000,
    now: () => NOW,
  };
  const turn = await takeTurn(store, { ...request, deliveryId: second });
  expect(turn.kind).toBe("wait");
}

/** 15,000 slots have passed, and 5,000 are full. */
async function reserveAmongSlots(store: Store): Promise<void> {
  const pace = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 1 };
  const now = 15_000 * SLOT_MS;
  const atMs = await reserveTurn(store, { subscriptionId: busy, pace, dueMs: now, now });
  expect(atMs).toBeGreaterThan(now + 100 * SLOT_MS);
  const from = async (slot: number) =>
    await store.db
      .selectFrom("turn_slots")
      .select("slot")
      .where("subscription_id", "=", busy)
      .where("slot", ">", slot)
      .orderBy("slot")
      .limit(1)
      .executeTakeFirst();
  // Some that have passed are gone, and some that are full are one.
  expect((await from(0))?.slot).toBeGreaterThan(50);
  expect((await from(15_000))?.slot).toBeGreaterThan(15_100);
}

async function recoverStep(store: Store, subscriptionId: SubscriptionId | null, made: number) {
  const span = { sinceAt: NOW - 1_000, untilAt: NOW + 1_000, now: NOW + 1_000 };
  const scope = { accountId, subscriptionId, isDryRun: false, ratePerSecond: 100, ...span };
  const { id } = await createRecovery(store, { kind: "recover", ...scope });
  expect(await advanceRecovery(store, { id, limit: 100, now: NOW + 2_000 })).toMatchObject({
    examined: 100,
    made,
  });
}
