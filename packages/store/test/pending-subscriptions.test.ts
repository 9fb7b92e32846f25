import type { SubscriptionId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pendingSubscriptions } from "../src/dispatch/pending-subscriptions.ts";
import { claimDeliveries, createAccount } from "../src/index.ts";
import { NOW } from "./fixture.ts";
import { insertDeliveries, insertSubscriptions, type Rows } from "./many-rows.ts";

let t: TestStore;

/** Returns the subscription ids in the groups in which the generator yields them. */
async function groupsFrom(start: number): Promise<number[][]> {
  const groups: number[][] = [];
  for await (const ids of pendingSubscriptions(t.store, start)) groups.push([...ids]);
  return groups;
}

const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

/** Adjacent ids with few rows each, adjacent ids with many rows, and ids far apart. */
const ROWS: readonly Rows[] = [
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
const PENDING = [...from(1, 100), ...from(201, 100), 1_000, 5_000, 5_020, 9_000];

describe.each(["sqlite", "mysql"] as const)("subscriptions with pending deliveries, on %s", (backend) => {
  beforeEach(async () => {
    t = await createTestStore(backend);
    await createAccount(t.store, { name: "first", now: NOW });
  });
  afterEach(() => t.dispose());

  test("are each found once, in id order from any start, wrapping around", async () => {
    await insertDeliveries(t.store, ROWS);
    for (const start of [0, 1, 50, 100, 150, 230, 300, 1_000, 5_010, 9_000, 10_000]) {
      const round = [...PENDING.filter((id) => id > start), ...PENDING.filter((id) => id <= start)];
      expect((await groupsFrom(start)).flat()).toEqual(round);
    }
  });

  test("with many rows are found by index jumps, in groups of up to 64 after the first", async () => {
    await insertDeliveries(t.store, [{ count: 40_000, state: "pending", subscriptions: 100 }]);
    const [first, second, third, ...rest] = await groupsFrom(0);
    expect(first).toEqual([1, 2, 3]);
    expect(second).toEqual(from(4, 64));
    expect(third).toEqual(from(68, 33));
    expect(rest).toEqual([]);
  });

  test("are none if nothing is pending", async () => {
    await insertDeliveries(t.store, [{ count: 10, state: "started", subscriptions: 1 }]);
    expect(await groupsFrom(0)).toEqual([]);
    expect(await groupsFrom(7)).toEqual([]);
  });

  test("of another loop, even thousands, do not hide the one that a claim may take", async () => {
    await insertDeliveries(t.store, [{ count: 3_000, state: "pending", subscriptions: 3_000 }]);
    await insertSubscriptions(t.store);
    const failing = t.store.db.updateTable("subscriptions").set({ failing_since: NOW });
    await failing.where("id", "=", 3_000 as SubscriptionId).execute();
    const claim = { owner: "me", limit: 10, inFlightMax: 10, leaseMs: 1_000, now: NOW };
    const { claimed } = await claimDeliveries(t.store, { ...claim, isFailing: true });
    expect(claimed).toMatchObject([{ subscriptionId: 3_000, isFailing: true }]);
  });
});
