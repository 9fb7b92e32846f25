import { createHash } from "node:crypto";
import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { createTestStore, recordAttempt, TEST_SECRET_KEYS, type TestStore } from "@posthaste/testkit";
import { type RawBuilder, sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { transact } from "../src/database/transact.ts";
import {
  type AttemptToRecord,
  adoptStrays,
  advanceRecovery,
  cancelDelivery,
  claimDeliveries,
  closeStore,
  createAccount,
  createAttemptLedger,
  createClaimRotation,
  createIngest,
  createRecovery,
  deferReconcile,
  drainSubscription,
  endSubscription,
  finishEnd,
  markStarted,
  openStore,
  parseSealingKeys,
  pauseSubscription,
  pingStore,
  releaseClaims,
  renewClaims,
  resumeSubscription,
  type Store,
  setAsideClaims,
  takeTurn,
} from "../src/index.ts";
import { attempt, type Bench, benchOn, deliveriesOf, NOW } from "./fixture.ts";

/*
 * A process is suspended in the middle of a transaction, or cut off. MySQL ends its session after a minute.
 * Until then it holds its rows, and whoever needs none of them must not notice.
 */

const LEASE_MS = 60_000;

let own: TestStore;
let bench: Bench;
let frozen: Store;
let frees: (() => Promise<void>)[];
/** Two accounts. A frozen session holds something of the first. */
let one: AccountId;
let two: AccountId;
beforeEach(async () => {
  own = await createTestStore("mysql");
  bench = await benchOn(own);
  frozen = await openStore({ url: own.url, secretKeys: parseSealingKeys(TEST_SECRET_KEYS) });
  frees = [];
  one = bench.accountId;
  two = (await createAccount(own.store, { name: "two", now: NOW })).id;
});
afterEach(async () => {
  for (const free of frees) await free();
  await closeStore(frozen);
  await own.dispose();
});

/** Runs a statement in a transaction that does not end by itself. Returns a function that ends it. */
async function hold(statement: RawBuilder<unknown>): Promise<() => Promise<void>> {
  const held = await frozen.db.startTransaction().execute();
  await statement.execute(held);
  let isFree = false;
  const free = async () => {
    if (!isFree) await held.rollback().execute();
    isFree = true;
  };
  frees.push(free);
  return free;
}

const holdDelivery = (id: DeliveryId) => hold(sql`select id from deliveries where id = ${id} for update`);
const holdSubscription = (id: SubscriptionId) =>
  hold(sql`select id from subscriptions where id = ${id} for update`);
const holdLine = (id: SubscriptionId) =>
  hold(sql`select subscription_id from turns where subscription_id = ${id} for update`);

/** Returns whether a promise has settled by now. */
async function isOver(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  const over = promise.then(
    () => true,
    () => true,
  );
  return (await Promise.race([over, Promise.resolve(pending)])) !== pending;
}

async function subscribed(accountId: AccountId, deliveries: number) {
  const { id } = await bench.subscribe({ accountId });
  const ids: DeliveryId[] = [];
  for (let n = 0; n < deliveries; n++) {
    const { eventId } = await bench.ingest({ accountId });
    const rows = await deliveriesOf(own.store, eventId);
    ids.push(...rows.filter((row) => row.subscription_id === id).map((row) => row.id));
  }
  return { id, ids: ids.sort() };
}

const claimAll = async (owner: string) => {
  const claim = { owner, limit: 100, inFlightMax: 100, leaseMs: LEASE_MS, now: () => NOW };
  return (await claimDeliveries(own.store, claim)).map(({ deliveryId }) => deliveryId);
};

const rowsOf = async (ids: readonly DeliveryId[]) =>
  await own.store.db.selectFrom("deliveries").selectAll().where("id", "in", ids).orderBy("id").execute();

function recordOf(deliveryId: DeliveryId, outcome: "failed" | "accepted"): AttemptToRecord {
  const isAccepted = outcome === "accepted";
  return {
    deliveryId,
    attempt: attempt(isAccepted ? { outcome, status: 200 } : {}),
    state: isAccepted ? "succeeded" : "started",
    nextAttemptAt: isAccepted ? null : NOW + 600_000,
    pace: { rate: null, concurrency: 10 },
    endedReason: null,
    wasHealthy: true,
    now: NOW + 1,
  };
}

describe("while a frozen session holds", () => {
  test.each(["subscription", "line", "delivery"] as const)(
    "a %s, the attempts of another account are recorded, and those that need it once it is free",
    async (row) => {
      const mine = await subscribed(one, 2);
      const others = await subscribed(two, 3);
      const [held] = mine.ids;
      const free = await {
        subscription: () => holdSubscription(mine.id),
        line: () => holdLine(mine.id),
        delivery: () => holdDelivery(held as DeliveryId),
      }[row]();
      const ledger = createAttemptLedger(own.store);
      const waiting = ledger.record(recordOf(held as DeliveryId, "failed"));
      // In the group of the held one, and in the groups after it.
      for (const id of others.ids) {
        expect(await ledger.record(recordOf(id, "failed"))).toMatchObject({ kind: "recorded" });
      }
      expect(await isOver(waiting)).toBe(false);
      await free();
      expect(await waiting).toMatchObject({ kind: "recorded" });
      const attempts = await own.store.db.selectFrom("attempts").select("delivery_id").execute();
      expect(attempts).toHaveLength(4);
    },
  );

  test("another delivery, a receiver that has left ends its subscription at once", async () => {
    const { id, ids } = await subscribed(one, 2);
    const [gone, held] = ids as [DeliveryId, DeliveryId];
    const free = await holdDelivery(held);
    await recordAttempt(own.store, {
      ...recordOf(gone, "failed"),
      attempt: attempt({ outcome: "gone", status: 410 }),
      state: "cancelled",
      nextAttemptAt: null,
    });
    expect(await finishEnd(own.store, { id, now: NOW })).toEqual({ moved: 0, goesOn: false });
    await free();
    expect(await finishEnd(own.store, { id, now: NOW })).toEqual({ moved: 1, goesOn: true });
  });

  test("an idempotency key, the events of others and other keys are stored, and its event once it is free", async () => {
    await subscribed(one, 0);
    const free = await hold(sql`insert into idempotency_keys
      (account_id, key_hash, content_hash, event_id, delivery_count, created_at) values
      (${one}, ${createHash("sha256").update("held").digest()}, ${Buffer.alloc(32)}, 'evt_x', 0, ${NOW})`);
    const ingest = createIngest(own.store);
    const call = (accountId: AccountId, key: string) => ({
      accountId,
      now: NOW,
      deliveriesMax: 10,
      events: [{ eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: key }],
    });
    const waiting = Promise.all([ingest(call(one, "held")), ingest(call(one, "held"))]);
    const [free1, ...others] = await Promise.all([
      ingest(call(one, "free")),
      ...Array.from({ length: 5 }, (_, n) => ingest(call(two, `other ${n}`))),
    ]);
    expect(free1).toMatchObject([{ duplicate: false, deliveryCount: 1 }]);
    expect(others.flat()).toHaveLength(5);
    expect(await ingest(call(two, "other 0"))).toMatchObject([{ duplicate: true }]);
    expect(await isOver(waiting)).toBe(false);
    await free();
    const [[first], [second]] = (await waiting) as [{ eventId: string }[], { eventId: string }[]];
    expect(first?.eventId).toBe(second?.eventId);
    const events = await own.store.db.selectFrom("events").select("id").execute();
    expect(events).toHaveLength(7);
  });

  test("an account, the events of others are stored, and its own once it is free", async () => {
    const free = await hold(sql`select id from accounts where id = ${one} for update`);
    const ingest = createIngest(own.store);
    const call = (accountId: AccountId) => ({
      accountId,
      now: NOW,
      deliveriesMax: 10,
      events: [{ eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null }],
    });
    const waiting = ingest(call(one));
    for (let n = 0; n < 3; n++) expect(await ingest(call(two))).toHaveLength(1);
    expect(await isOver(waiting)).toBe(false);
    await free();
    expect(await waiting).toMatchObject([{ duplicate: false }]);
  });

  test("a line, its retries leave the connections to the others, and get their turns once it is free", async () => {
    const { id, ids } = await subscribed(one, 30);
    const others = await subscribed(two, 1);
    await claimAll("me");
    await markStarted(own.store, { owner: "me", ids, now: NOW });
    const free = await holdLine(id);
    const pace = { rate: null, concurrency: 100 };
    const first = { subscriptionId: id, number: 1 };
    const waiting = Promise.all(
      ids.map((deliveryId) =>
        takeTurn(own.store, { ...first, deliveryId, pace, timeoutMs: 15_000, now: () => NOW }),
      ),
    );
    await pingStore(own.store);
    expect(await recordAttempt(own.store, recordOf(others.ids[0] as DeliveryId, "accepted"))).toMatchObject({
      kind: "recorded",
    });
    expect(await isOver(waiting)).toBe(false);
    await free();
    expect((await waiting).map(({ kind }) => kind)).toEqual(ids.map(() => "go"));
  });

  test("a delivery, the claims of others are marked, renewed, set aside and released", async () => {
    const { store } = own;
    const { ids } = await subscribed(one, 4);
    const [held, ...free] = ids as [DeliveryId, ...DeliveryId[]];
    await claimAll("me");
    await holdDelivery(held);
    const before = await rowsOf([held]);
    const lease = { owner: "me", ids, now: NOW };
    const renewal = { ...lease, leaseMs: 2 * LEASE_MS, now: () => NOW };
    const renewed = new Map(free.map((id) => [id, NOW + 2 * LEASE_MS]));
    expect(await renewClaims(store, renewal)).toEqual({ renewed, refused: [] });
    expect((await rowsOf(free)).map((row) => row.lease_until)).toEqual(free.map(() => NOW + 2 * LEASE_MS));
    const [started, aside, released] = free as [DeliveryId, DeliveryId, DeliveryId];
    await markStarted(store, { ...lease, ids: [held, started] });
    const claims = [held, aside].map((id) => ({ id, untilMs: NOW + 3 * LEASE_MS }));
    await setAsideClaims(store, { owner: "me", claims, now: NOW });
    await releaseClaims(store, { ...lease, ids: [held, released] });
    expect(await rowsOf(free)).toMatchObject([
      { state: "started" },
      { lease_until: NOW + 3 * LEASE_MS, lease_owner: null },
      { lease_until: null },
    ]);
    expect(await rowsOf([held])).toEqual(before);
    const late = NOW + 10 * LEASE_MS;
    const { deferred } = await deferReconcile(store, { ids: [held, started], until: late + 1, now: late });
    expect([...deferred.keys()]).toEqual([started]);
  });

  test("a line, the claims of everybody else go on in turns", async () => {
    const accounts = [one, two];
    for (let n = 3; n <= 8; n++)
      accounts.push((await createAccount(own.store, { name: `${n}`, now: NOW })).id);
    const lines: SubscriptionId[] = [];
    for (const accountId of accounts) lines.push((await subscribed(accountId, 4)).id);
    await holdLine(lines[1] as SubscriptionId);
    const rotation = createClaimRotation();
    const served: AccountId[] = [];
    for (let n = 0; n < 7; n++) {
      const claim = { owner: "me", limit: 2, inFlightMax: 1, leaseMs: 1, now: () => NOW + 10 * n, rotation };
      for (const { accountId } of await claimDeliveries(own.store, claim)) served.push(accountId);
    }
    expect([...new Set(served)].sort((a, b) => a - b)).toEqual(accounts.filter((id) => id !== two));
  });

  test("a subscription or a delivery, upkeep leaves it to its next round", async () => {
    const { store } = own;
    const { id, ids } = await subscribed(one, 3);
    const of = { accountId: one, id, now: NOW };
    await pauseSubscription(store, of);
    await resumeSubscription(store, of);
    const free = await holdDelivery(ids[0] as DeliveryId);
    expect(await drainSubscription(store, { id, now: NOW })).toBe(3);
    expect((await rowsOf(ids)).map((row) => row.state)).toEqual(["parked", "pending", "pending"]);
    expect((await endSubscription(store, { ...of, reason: "over" }))?.state).toBe("ended");
    expect((await rowsOf(ids)).map((row) => row.state)).toEqual(["parked", "cancelled", "cancelled"]);
    await free();
    await finishEnd(store, { id, now: NOW });
    await store.db.updateTable("deliveries").set({ state: "parked", ended_at: null }).execute();
    await store.db.updateTable("subscriptions").set({ ending: 0 }).execute();
    const freeAgain = await holdSubscription(id);
    expect(await adoptStrays(store, id)).toBe(false);
    await freeAgain();
    expect(await adoptStrays(store, id)).toBe(true);
  });

  test("a delivery that waits, a recovery sends those before it, and that one once it is free", async () => {
    const { store } = own;
    const { ids } = await subscribed(one, 3);
    await claimAll("me");
    await markStarted(store, { owner: "me", ids, now: NOW });
    for (const deliveryId of ids) {
      const next = { state: "started" as const, nextAttemptAt: NOW + LEASE_MS, endedReason: null };
      await recordAttempt(store, { deliveryId, attempt: attempt(), ...next, now: NOW });
    }
    const { id } = await createRecovery(store, {
      ...{ accountId: one, kind: "recover", subscriptionId: null, sinceAt: 0, untilAt: NOW + 1 },
      ...{ isDryRun: false, ratePerSecond: 100, filter: { states: ["started"] }, now: NOW + 1 },
    });
    const step = async () => await advanceRecovery(store, { id, limit: 100, now: NOW + 2 });
    const free = await holdDelivery(ids[1] as DeliveryId);
    expect(await step()).toMatchObject({ state: "running", retriedNow: [ids[0]], isHeldUp: true });
    expect(await step()).toMatchObject({ state: "running", retriedNow: [], isHeldUp: true });
    await free();
    expect(await step()).toMatchObject({ state: "completed", retriedNow: ids.slice(1), isHeldUp: false });
  });

  test("a delivery, calls that cancel it leave the connections to others, and cancel it once it is free", async () => {
    const [id] = (await subscribed(one, 1)).ids as [DeliveryId];
    const free = await holdDelivery(id);
    const cancelling = Promise.all(
      Array.from({ length: 20 }, () => cancelDelivery(own.store, { id, reason: "by hand", now: NOW })),
    );
    expect(await subscribed(two, 1)).toMatchObject({ ids: [expect.any(String)] });
    expect(await isOver(cancelling)).toBe(false);
    await free();
    expect((await cancelling).filter((isCancelled) => isCancelled)).toHaveLength(1);
  });
});

test("a transaction that waits for a row until the database gives up is not run again", async () => {
  const { id } = await subscribed(one, 0);
  await holdSubscription(id);
  let runs = 0;
  const waiting = transact(own.store, async (tx) => {
    runs += 1;
    await sql`set session innodb_lock_wait_timeout = 1`.execute(tx);
    await sql`select id from subscriptions where id = ${id} for update`.execute(tx);
  });
  await expect(waiting).rejects.toMatchObject({ code: "ER_LOCK_WAIT_TIMEOUT" });
  expect(runs).toBe(1);
});
