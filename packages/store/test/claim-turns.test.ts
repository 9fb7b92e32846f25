import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Claim,
  claimDeliveries,
  closeStore,
  createAccount,
  createClaimRotation,
  openStore,
  type Store,
  takeTurn,
} from "../src/index.ts";
import { lockTurns } from "../src/subscriptions/pace.ts";
import { NOW } from "./fixture.ts";
import { insertDeliveries, insertSubscriptions, type Rows } from "./many-rows.ts";

/*
 * Whose turn comes, and after how many claims: a line that somebody else holds, and subscriptions that belong
 * to another loop, keep nobody's turn from coming.
 */

let t: TestStore;
let store: Store;

async function open(backend: "sqlite" | "mysql"): Promise<void> {
  t = await createTestStore(backend);
  ({ store } = t);
  await createAccount(store, { name: "first", now: NOW });
}

async function fill(rows: readonly Omit<Rows, "state">[]): Promise<void> {
  await insertDeliveries(
    store,
    rows.map((some) => ({ ...some, state: "pending" })),
  );
  await insertSubscriptions(store);
}

/** Creates a claimer whose calls share a rotation. */
function createClaimer(over: Partial<Claim>) {
  const claim = { owner: "me", limit: 1, inFlightMax: 1_000, leaseMs: 30_000, now: () => NOW, ...over };
  const rotation = createClaimRotation();
  return () => claimDeliveries(store, { ...claim, rotation });
}

/** Holds a subscription's line, as a process does that hangs in its transaction. */
async function hold(id: SubscriptionId): Promise<() => Promise<void>> {
  const tx = await store.db.startTransaction().execute();
  await lockTurns(store, tx, id);
  return async () => void (await tx.rollback().execute());
}

describe.each(["sqlite", "mysql"] as const)("a rotation that owes turns, on %s", (backend) => {
  beforeEach(() => open(backend));
  afterEach(() => t.dispose());

  test("forgets those of subscriptions that an erasure has deleted since", async () => {
    const gone = Array.from({ length: 16 }, (_, n) => (n + 1) as AccountId & SubscriptionId);
    await fill([{ count: 2, subscriptions: 1, first: 100, account: 100 }]);
    const rotation = createClaimRotation();
    for (const id of gone) rotation.foundLocked(id, id);
    const claim = { owner: "me", limit: 1, inFlightMax: 1_000, leaseMs: 30_000, now: () => NOW };
    expect(await claimDeliveries(store, { ...claim, rotation })).toHaveLength(1);
    expect(rotation.owed()).toEqual([]);
  });
});

describe.each(["sqlite", "mysql"] as const)("an account that was served last, on %s", (backend) => {
  beforeEach(() => open(backend));
  afterEach(() => t.dispose());

  test.each([1, 3])(
    "has its part of each claim, beside thousands of another's (%i of its own)",
    async (own) => {
      await fill([
        { count: 60, subscriptions: own, account: 1 },
        { count: 4_000, subscriptions: 2_000, first: 100, account: 2 },
        { count: 4_000, subscriptions: 2_000, first: 3_000, account: 3 },
      ]);
      await createAccount(store, { name: "second", now: NOW });
      await createAccount(store, { name: "third", now: NOW });
      const claim = createClaimer({ limit: 30 });
      for (let n = 0; n < 6; n++) {
        const accounts = (await claim()).map(({ accountId }) => accountId);
        const countOf = (id: number) => accounts.filter((one) => one === id).length;
        expect([countOf(1), countOf(2), countOf(3)], `claim ${n}`).toEqual([10, 10, 10]);
      }
    },
  );
});

describe("a claim beside a line that is locked, on mysql", () => {
  beforeEach(() => open("mysql"));
  afterEach(() => t.dispose());

  const ACCOUNTS = 20;
  const first = 1 as SubscriptionId;
  const each = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  /** Fills accounts that have a subscription each, with the same id. */
  const fillAccounts = async (count: number) => {
    const rows = { count: count * ACCOUNTS, subscriptions: ACCOUNTS, state: "pending" as const };
    await insertDeliveries(store, [rows]);
    await sql`update deliveries set account_id = subscription_id`.execute(store.db);
    await insertSubscriptions(store);
  };

  test("whose subscriptions are all locked refuses none of them", async () => {
    await fillAccounts(1);
    const holder = await store.db.startTransaction().execute();
    for (const id of each(ACCOUNTS)) await lockTurns(store, holder, id as SubscriptionId);
    const refused: unknown[] = [];
    const claim = createClaimer({ onRefused: (some) => refused.push(some) });
    expect(await claim()).toEqual([]);
    expect(refused).toEqual([]);
    await holder.rollback().execute();
    expect(await claim()).toHaveLength(1);
  });

  // More rows than one statement reads, and fewer.
  test.each([60, 4])("serves every other account of %i deliveries within two laps", async (count) => {
    await fillAccounts(count);
    const release = await hold(first);
    const claim = createClaimer({});
    const served = new Set<AccountId>();
    for (let n = 0; n < 2 * ACCOUNTS; n++) for (const { accountId } of await claim()) served.add(accountId);
    expect([...served].sort((a, b) => a - b)).toEqual(each(ACCOUNTS).slice(1));
    await release();
  });

  test("serves every other subscription of its account within two laps", async () => {
    await fill([{ count: 1_200, subscriptions: ACCOUNTS }]);
    const release = await hold(first);
    const claim = createClaimer({});
    const served = new Set<SubscriptionId>();
    for (let n = 0; n < 2 * ACCOUNTS; n++)
      for (const { subscriptionId } of await claim()) served.add(subscriptionId);
    expect([...served].sort((a, b) => a - b)).toEqual(each(ACCOUNTS).slice(1));
    await release();
  });

  test("serves its subscription in the first call after the line is free", async () => {
    await fillAccounts(60);
    const release = await hold(first);
    const claim = createClaimer({});
    for (let n = 0; n < 3; n++) expect(await claim()).not.toMatchObject([{ subscriptionId: first }]);
    await release();
    expect(await claim()).toMatchObject([{ subscriptionId: first }]);
  });

  test("serves a subscription whose line the retries of two processes ask for all the time", async () => {
    await fillAccounts(60);
    await insertDeliveries(store, [{ count: 64, state: "started", subscriptions: 1 }], {
      after: 60 * ACCOUNTS,
    });
    await store.db.updateTable("deliveries").set({ attempts: 1 }).where("state", "=", "started").execute();
    const retries = store.db.selectFrom("deliveries").select("id").where("state", "=", "started");
    const ids = (await retries.execute()).map(({ id }) => id);
    const processes = [await openStore({ url: t.url }), await openStore({ url: t.url })];
    const pace = { rate: null, concurrency: 1 };
    let asked = 0;
    let isOver = false;
    const asking = ids.map(async (deliveryId, i) => {
      const process = processes[i % processes.length] as Store;
      const ask = { deliveryId, subscriptionId: first, number: 2, pace, timeoutMs: 30_000, now: () => NOW };
      while (!isOver) {
        await takeTurn(process, ask);
        asked += 1;
      }
    });
    const claim = createClaimer({});
    let claims = 0;
    let served: SubscriptionId | undefined;
    try {
      await expect.poll(() => asked, { timeout: 20_000, interval: 1 }).toBeGreaterThan(2 * ids.length);
      for (; served !== first && claims < 20 * ACCOUNTS; claims++)
        served = (await claim())[0]?.subscriptionId;
    } finally {
      isOver = true;
      await Promise.all(asking);
      await Promise.all(processes.map((process) => closeStore(process)));
    }
    expect(served).toBe(first);
  });
});

describe.each(["sqlite", "mysql"] as const)("a claim behind thousands of failing ones, on %s", (backend) => {
  beforeEach(() => open(backend));
  afterEach(() => t.dispose());

  test.each([
    [1, 5_000, 2],
    [1, 9_000, 3],
    [3, 3_000, 4],
  ])(
    "of each of %i accounts, %i, finds the healthy one within %i calls",
    async (accounts, failing, calls) => {
      const firstOf = (n: number) => n * 10_000 + 1;
      const ids = Array.from({ length: accounts }, (_, n) => n);
      await fill(
        ids.map((n) => ({
          account: n + 1,
          count: failing + 1,
          subscriptions: failing + 1,
          first: firstOf(n),
        })),
      );
      const healthy = ids.map((n) => (firstOf(n) + failing) as SubscriptionId);
      await store.db
        .updateTable("subscriptions")
        .set({ failing_since: NOW })
        .where("id", "not in", healthy)
        .execute();
      const claim = createClaimer({ limit: 100, lane: "workflow", isFailing: false });
      const served: SubscriptionId[] = [];
      for (let n = 0; n < calls; n++)
        served.push(...(await claim()).map(({ subscriptionId }) => subscriptionId));
      expect(served.sort((a, b) => a - b)).toEqual(healthy);
    },
  );

  const HOSTILE = 60;
  /** Gives accounts 2 to 61 120 failing subscriptions each, and another account a healthy one. */
  const fillHostile = async (healthy: { readonly account: number; readonly first: number }) => {
    await insertDeliveries(store, [
      { count: 14_400, subscriptions: 7_200, first: 1_000, account: 2, state: "pending" },
      { ...healthy, count: 2, subscriptions: 1, state: "pending" },
    ]);
    const accountOf = sql`2 + subscription_id % ${sql.lit(HOSTILE)}`;
    await sql`update deliveries set account_id = ${accountOf} where account_id = 2`.execute(store.db);
    await insertSubscriptions(store);
    const failing = store.db.updateTable("subscriptions").set({ failing_since: NOW });
    await failing.where("id", "!=", healthy.first as SubscriptionId).execute();
  };

  test("of 60 accounts, more than a call examines, serves the account behind them in one call", async () => {
    await fillHostile({ account: 100, first: 9_000 });
    const claim = createClaimer({ limit: 100, lane: "workflow", isFailing: false });
    expect((await claim()).map(({ accountId }) => accountId)).toEqual([100, 100]);
  });

  test("returns what it has claimed before it goes on to examine those", async () => {
    await fillHostile({ account: 1, first: 1 });
    let cutShort = 0;
    const claim = createClaimer({ limit: 100, isFailing: false, onCutShort: () => void cutShort++ });
    expect(await claim()).toHaveLength(2);
    expect(cutShort).toBe(0);
  });

  test("says that it was cut short, or that it has examined all", async () => {
    await fill([{ count: 5_000, subscriptions: 5_000 }]);
    await store.db.updateTable("subscriptions").set({ failing_since: NOW }).execute();
    let cutShort = 0;
    const claim = createClaimer({ limit: 100, isFailing: false, onCutShort: () => void cutShort++ });
    expect(await claim()).toEqual([]);
    expect(cutShort).toBe(1);
    const few = store.db.updateTable("deliveries").set({ state: "parked" });
    await few.where("subscription_id", ">", 100 as SubscriptionId).execute();
    expect(await claim()).toEqual([]);
    expect(cutShort).toBe(1);
  });
});
