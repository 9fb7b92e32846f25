import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pendingSubscriptions } from "../src/dispatch/pending-subscriptions.ts";
import { claimDeliveries, createAccount, createClaimRotation } from "../src/index.ts";
import { NOW } from "./fixture.ts";
import { insertDeliveries, insertSubscriptions, type Rows } from "./many-rows.ts";

let t: TestStore;

/** Whose turn it is, as ids of accounts and subscriptions after which the search continues. */
type Turn = { readonly account?: number; readonly subscriptions?: Readonly<Record<number, number>> };

/** Returns the groups in which the search yields accounts and their subscriptions. */
async function groupsFrom(
  { account = 0, subscriptions = {} }: Turn = {},
  isWanted?: (id: AccountId) => boolean,
): Promise<[number, number[]][][]> {
  const rotation = createClaimRotation();
  rotation.servedAccount(account as AccountId);
  for (const [accountId, id] of Object.entries(subscriptions)) {
    rotation.servedSubscription(Number(accountId) as AccountId, id as SubscriptionId);
  }
  const groups: [number, number[]][][] = [];
  for await (const group of pendingSubscriptions(t.store, rotation, isWanted)) {
    groups.push([...group].map(([id, ids]) => [id, [...ids]]));
  }
  return groups;
}

/** Returns each account's subscriptions in the order in which they are found. */
async function roundFrom(turn: Turn): Promise<Map<number, number[]>> {
  const found = new Map<number, number[]>();
  for (const [id, ids] of (await groupsFrom(turn)).flat()) found.set(id, [...(found.get(id) ?? []), ...ids]);
  return found;
}

const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

/** Adjacent ids with few rows each, adjacent ids with many rows, and ids far apart. */
const OF_ONE: readonly Rows[] = [
  { count: 300, state: "pending", subscriptions: 100, first: 1 },
  { count: 40_000, state: "pending", subscriptions: 100, first: 201 },
  ...[1_000, 5_000, 5_020, 9_000].map((first) => ({
    count: 1_500,
    state: "pending" as const,
    subscriptions: 1,
    first,
  })),
  { count: 2_000, state: "succeeded", subscriptions: 2_000, first: 1 },
  { count: 2_000, state: "parked", subscriptions: 2_000, first: 1 },
];
const IDS_OF_ONE = [...from(1, 100), ...from(201, 100), 1_000, 5_000, 5_020, 9_000];

describe.each(["sqlite", "mysql"] as const)("subscriptions with pending deliveries, on %s", (backend) => {
  beforeEach(async () => {
    t = await createTestStore(backend);
    await createAccount(t.store, { name: "first", now: NOW });
  });
  afterEach(() => t.dispose());

  test("of one account are each found once, in id order from any start, wrapping around", async () => {
    await insertDeliveries(t.store, OF_ONE);
    for (const start of [0, 1, 50, 100, 150, 230, 300, 1_000, 5_010, 9_000, 10_000]) {
      const inTurn = [...IDS_OF_ONE.filter((id) => id > start), ...IDS_OF_ONE.filter((id) => id <= start)];
      expect(await roundFrom({ subscriptions: { 1: start } })).toEqual(new Map([[1, inTurn]]));
    }
  });

  test("of many accounts are each found once, the accounts in order from any start", async () => {
    const accounts = [...from(1, 30), 500, 501, 9_000];
    await insertDeliveries(
      t.store,
      accounts.flatMap((account, i) => [
        {
          account,
          count: i % 3 === 0 ? 1_000 : 3,
          state: "pending" as const,
          subscriptions: 2,
          first: 10 * i + 1,
        },
        { account, count: 1, state: "pending" as const, subscriptions: 1, first: 5_000 + i },
      ]),
    );
    for (const start of [0, 7, 30, 499, 501, 9_000]) {
      const found = await roundFrom({ account: start, subscriptions: { 4: 31 } });
      const inTurn = [...accounts.filter((id) => id > start), ...accounts.filter((id) => id <= start)];
      expect([...found.keys()]).toEqual(inTurn);
      for (const [i, account] of accounts.entries()) {
        const ids = [10 * i + 1, 10 * i + 2, 5_000 + i];
        expect(found.get(account)).toEqual(account === 4 ? [32, 5_003, 31] : ids);
      }
    }
  });

  test("of few accounts with few rows are found by one statement", async () => {
    await insertDeliveries(t.store, [
      { account: 3, count: 10, state: "pending", subscriptions: 2 },
      { account: 1, count: 10, state: "pending", subscriptions: 2, first: 11 },
    ]);
    expect(await groupsFrom({ account: 1, subscriptions: { 3: 1 } })).toEqual([
      [
        [3, [2, 1]],
        [1, [11, 12]],
      ],
    ]);
  });

  test("of an account that nobody wants are skipped, however many there are", async () => {
    await insertDeliveries(t.store, [
      { account: 1, count: 20_000, state: "pending", subscriptions: 10_000 },
      { account: 2, count: 1, state: "pending", subscriptions: 1, first: 20_000 },
    ]);
    expect(await groupsFrom({}, (id) => id !== 1)).toEqual([[[2, [20_000]]]]);
  });

  test("with many rows are found by index jumps, in groups of about 64 after the first", async () => {
    await insertDeliveries(t.store, [{ count: 40_000, state: "pending", subscriptions: 100 }]);
    const groups = await groupsFrom();
    expect(groups.map((group) => group.flatMap(([, ids]) => ids).length)).toEqual([3, 67, 30]);
  });

  test("are none if nothing is pending", async () => {
    await insertDeliveries(t.store, [{ count: 10, state: "started", subscriptions: 1 }]);
    expect(await groupsFrom()).toEqual([]);
    expect(await groupsFrom({ account: 7, subscriptions: { 1: 7 } })).toEqual([]);
  });

  test("of another loop, even thousands, do not hide the one that a claim may take", async () => {
    await insertDeliveries(t.store, [{ count: 3_000, state: "pending", subscriptions: 3_000 }]);
    await insertSubscriptions(t.store);
    const failing = t.store.db.updateTable("subscriptions").set({ failing_since: NOW });
    await failing.where("id", "=", 3_000 as SubscriptionId).execute();
    const claim = { owner: "me", limit: 10, inFlightMax: 10, leaseMs: 1_000, now: () => NOW };
    const claimed = await claimDeliveries(t.store, { ...claim, isFailing: true });
    expect(claimed).toMatchObject([{ subscriptionId: 3_000, isFailing: true }]);
  });

  test("of an account with thousands of them do not keep another account's waiting", async () => {
    await insertDeliveries(t.store, [
      { account: 1, count: 30_000, state: "pending", subscriptions: 3_000 },
      { account: 2, count: 1, state: "pending", subscriptions: 1, first: 9_000 },
    ]);
    await insertSubscriptions(t.store);
    const claim = { owner: "me", limit: 100, inFlightMax: 10, leaseMs: 1_000, now: () => NOW };
    const claimed = await claimDeliveries(t.store, claim);
    expect(claimed).toHaveLength(100);
    expect(claimed.filter(({ accountId }) => accountId === 2)).toHaveLength(1);
  });
});
