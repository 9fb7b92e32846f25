import {
  type AccountId,
  type DeliveryId,
  type Lane,
  MINUTE_MS,
  type SubscriptionId,
  TEST_ATTEMPT_TIMEOUT_MS,
} from "@posthaste/domain";
import { createTestStore, loadForAttempt, recordAttempt } from "@posthaste/testkit";
import { describe, expect, test } from "vitest";
import { RECONCILE_GRACE_MS } from "../src/deliveries/transitions.ts";
import {
  type Claim,
  claimDeliveries,
  closeStore,
  createAccount,
  createClaimRotation,
  createTestDelivery,
  deferReconcile,
  getDelivery,
  listOverdue,
  markStarted,
  openStore,
  releaseClaims,
  requestRetry,
  type Store,
  setLane,
  updateSubscription,
} from "../src/index.ts";
import { lockTurns } from "../src/subscriptions/pace.ts";
import { attempt, type Bench, benchOn, NOW, onEachDatabase } from "./fixture.ts";

const claim = (store: Store, over: Partial<Claim> = {}) =>
  claimDeliveries(store, {
    owner: "me",
    limit: 100,
    inFlightMax: 1_000,
    leaseMs: 30_000,
    now: () => NOW,
    ...over,
  });
const ids = (result: Awaited<ReturnType<typeof claim>>) => result.map((delivery) => delivery.deliveryId);

/** Creates one delivery, claims it and marks it started. */
async function startOne({ store, subscribe, ingest }: Bench): Promise<DeliveryId> {
  await subscribe();
  await ingest();
  const [id] = ids(await claim(store));
  if (id === undefined) throw new Error("nothing was claimed");
  await markStarted(store, { owner: "me", ids: [id], now: NOW });
  return id;
}
const failed = (deliveryId: DeliveryId, number: number) => ({
  deliveryId,
  attempt: attempt({ number }),
  state: "started" as const,
  nextAttemptAt: NOW + 10 * MINUTE_MS,
  endedReason: null,
  now: NOW,
});

onEachDatabase("a claim", (bench) => {
  test("takes pending deliveries with their start data, and skips them during the lease", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe({ targetUrl: "https://receiver.example/x" });
    await ingest();
    const first = await claim(store);
    expect(first).toMatchObject([{ eventType: "invoice_sent", targetUrl: "https://receiver.example/x" }]);
    expect(ids(await claim(store, { now: () => NOW + 29_999 }))).toEqual([]);
    expect(ids(await claim(store, { now: () => NOW + 30_001 }))).toEqual(ids(first));
  });

  test("finds nothing if nothing is pending", async () => {
    expect(await claim(bench().store)).toEqual([]);
  });

  test("that is released can be taken by any claimer at once", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await ingest();
    const first = ids(await claim(store));
    await releaseClaims(store, { owner: "me", ids: first, now: NOW });
    expect(ids(await claim(store, { owner: "other" }))).toEqual(first);
  });

  test("stays within a subscription's in-flight limit of claimed and started deliveries", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    for (let i = 0; i < 10; i++) await ingest();
    const first = ids(await claim(store, { inFlightMax: 3 }));
    expect(first).toHaveLength(3);
    await markStarted(store, { owner: "me", ids: first, now: NOW });
    expect(ids(await claim(store, { inFlightMax: 3 }))).toEqual([]);
    // A lower limit than the number in flight.
    expect(ids(await claim(store, { inFlightMax: 1 }))).toEqual([]);
    const [done] = first;
    if (done === undefined) throw new Error("nothing was claimed");
    await recordAttempt(store, failed(done, 1));
    expect(ids(await claim(store, { inFlightMax: 3 }))).toHaveLength(1);
  });

  test("takes only four of a failing subscription, so that rounds stay short for the others", async () => {
    const { store, subscribe, ingest } = bench();
    const failing = await subscribe({ eventTypes: ["invoice_sent"] });
    const healthy = await subscribe({ eventTypes: ["contact_created"] });
    for (let i = 0; i < 10; i++) await ingest({ eventType: "invoice_sent" });
    for (let i = 0; i < 10; i++) await ingest({ eventType: "contact_created" });
    await store.db
      .updateTable("subscriptions")
      .set({ failing_since: NOW })
      .where("id", "=", failing.id)
      .execute();
    const claimed = await claim(store);
    const claimedOf = (id: SubscriptionId) => claimed.filter(({ subscriptionId }) => subscriptionId === id);
    expect([claimedOf(failing.id).length, claimedOf(healthy.id).length]).toEqual([4, 10]);
    expect(claimedOf(failing.id)[0]).toMatchObject({ isFailing: true, lane: "workflow" });
  });

  test("in the direct lane leaves the deliveries of failing subscriptions to workflows", async () => {
    const { store, subscribe, ingest } = bench();
    const failing = await subscribe({ eventTypes: ["invoice_sent"] });
    await subscribe({ eventTypes: ["contact_created"] });
    await ingest({ eventType: "invoice_sent" });
    await ingest({ eventType: "contact_created" });
    await store.db
      .updateTable("subscriptions")
      .set({ failing_since: NOW })
      .where("id", "=", failing.id)
      .execute();
    const lane = (name: Lane) => claim(store, { lane: name, laneDefault: "direct" });
    expect(await lane("direct")).toMatchObject([{ eventType: "contact_created", lane: "direct" }]);
    expect(await lane("workflow")).toMatchObject([{ eventType: "invoice_sent", lane: "workflow" }]);
  });

  test("prefers the account's lane to the default", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    await ingest();
    await setLane(store, { id: accountId, lane: "direct", now: NOW });
    expect(await claim(store, { lane: "workflow" })).toEqual([]);
    expect(await claim(store, { lane: "direct" })).toMatchObject([{ lane: "direct" }]);
  });

  test("never lets a huge backlog hide the delivery of another subscription", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const busy = await subscribe({ eventTypes: ["invoice_sent"] });
    for (let i = 0; i < 200; i++) await ingest({ eventType: "invoice_sent" });
    const quiet = await subscribe({ eventTypes: ["contact_created"] });
    await ingest({ eventType: "contact_created" });
    const claimed = await claim(store, { limit: 50, inFlightMax: 32 });
    const subscriptionIds = await Promise.all(
      claimed.map(
        async ({ deliveryId }) => (await getDelivery(store, { accountId, id: deliveryId }))?.subscriptionId,
      ),
    );
    expect(subscriptionIds.filter((id) => id === busy.id)).toHaveLength(32);
    expect(subscriptionIds.filter((id) => id === quiet.id)).toHaveLength(1);
  });

  test("goes round the subscriptions of an account from claim to claim", async () => {
    const { store, subscribe, ingest } = bench();
    const all: SubscriptionId[] = [];
    for (let i = 0; i < 3; i++) all.push((await subscribe()).id);
    for (let i = 0; i < 4; i++) await ingest();
    const rotation = createClaimRotation();
    const served: SubscriptionId[] = [];
    for (let i = 0; i < 6; i++) {
      const claimed = await claim(store, { limit: 2, rotation });
      served.push(...claimed.map(({ subscriptionId }) => subscriptionId));
    }
    const [a, b, c] = all;
    expect(served).toEqual([a, a, b, b, c, c, a, a, b, b, c, c]);
    expect(await claim(store, { rotation })).toEqual([]);
  });

  test("by two claimers at once takes each of 300 deliveries exactly once", async () => {
    const { store, url, subscribe, ingest } = bench();
    for (let i = 0; i < 3; i++) await subscribe();
    for (let i = 0; i < 100; i++) await ingest();
    const second = await openStore({ url });
    try {
      const take = async (through: Store, owner: string) => {
        const mine: DeliveryId[] = [];
        for (;;) {
          const got = ids(await claim(through, { owner, limit: 20 }));
          if (got.length === 0) return mine;
          await markStarted(through, { owner, ids: got, now: NOW });
          mine.push(...got);
        }
      };
      const [a, b] = await Promise.all([take(store, "a"), take(second, "b")]);
      expect(new Set([...a, ...b]).size).toBe(300);
      expect(a.length + b.length).toBe(300);
    } finally {
      await closeStore(second);
    }
  });
});

onEachDatabase("a claim for several accounts", (bench) => {
  /** Creates accounts with so many subscriptions each, and ingests so many events for each. */
  async function accountsWith(
    kinds: readonly { subscriptions: number; events: number }[],
  ): Promise<AccountId[]> {
    const { store, subscribe, ingest } = bench();
    const accounts: AccountId[] = [];
    for (const { subscriptions, events } of kinds) {
      const { id: accountId } = await createAccount(store, { name: "one", now: NOW });
      for (let i = 0; i < subscriptions; i++) await subscribe({ accountId });
      for (let i = 0; i < events; i++) await ingest({ accountId });
      accounts.push(accountId);
    }
    return accounts;
  }
  const countsOf = (accounts: readonly AccountId[], claimed: Awaited<ReturnType<typeof claim>>) =>
    accounts.map((id) => claimed.filter(({ accountId }) => accountId === id).length);

  test("gives each an equal part, and what one does not need to the others", async () => {
    const accounts = await accountsWith([
      { subscriptions: 20, events: 4 },
      { subscriptions: 1, events: 50 },
      { subscriptions: 1, events: 3 },
    ]);
    const claimed = await claim(bench().store, { limit: 43 });
    expect(countsOf(accounts, claimed)).toEqual([20, 20, 3]);
  });

  test("gives one that is alone everything", async () => {
    const accounts = await accountsWith([{ subscriptions: 10, events: 5 }]);
    expect(countsOf(accounts, await claim(bench().store, { limit: 50 }))).toEqual([50]);
  });

  test("starts with the deliveries of everyone before anyone's second", async () => {
    const accounts = await accountsWith([
      { subscriptions: 3, events: 2 },
      { subscriptions: 1, events: 1 },
    ]);
    const claimed = await claim(bench().store, { limit: 10 });
    expect(new Set(claimed.slice(0, 2).map(({ accountId }) => accountId))).toEqual(new Set(accounts));
  });

  test("serves those first that the last one left out", async () => {
    const accounts = await accountsWith(Array.from({ length: 5 }, () => ({ subscriptions: 2, events: 2 })));
    const rotation = createClaimRotation();
    const served: AccountId[] = [];
    for (let i = 0; i < 5; i++) {
      const claimed = await claim(bench().store, { limit: 2, rotation });
      served.push(...claimed.map(({ accountId }) => accountId));
    }
    expect(served).toEqual([...accounts, ...accounts]);
  });

  test("takes no more of an account than it has room for, and does not let that hide the others", async () => {
    const accounts = await accountsWith([
      { subscriptions: 5, events: 5 },
      { subscriptions: 5, events: 5 },
      { subscriptions: 1, events: 1 },
    ]);
    const rooms = new Map(accounts.map((id, i) => [id, [0, 7, 100][i] ?? 0]));
    const roomOf = (id: AccountId) => rooms.get(id) ?? 0;
    expect(countsOf(accounts, await claim(bench().store, { limit: 50, roomOf }))).toEqual([0, 7, 1]);
  });
});

describe("a claim on mysql", () => {
  test("waits for no other process that holds the line of a subscription, and serves it first afterwards", async () => {
    const test = await createTestStore("mysql");
    try {
      const { store, accountId, subscribe, ingest } = await benchOn(test);
      const [held, free] = [await subscribe(), await subscribe()];
      for (let i = 0; i < 3; i++) await ingest();
      const rotation = createClaimRotation();
      const other = await store.db.startTransaction().execute();
      await lockTurns(store, other, held.id);
      const claimed = await claim(store, { limit: 2, rotation });
      expect(claimed.map(({ subscriptionId }) => subscriptionId)).toEqual([free.id, free.id]);
      await other.rollback().execute();
      const [next] = await claim(store, { limit: 1, rotation });
      expect(next).toMatchObject({ accountId, subscriptionId: held.id });
    } finally {
      await test.dispose();
    }
  });
});

onEachDatabase("an overdue delivery", (bench) => {
  test("is one whose next attempt was due minutes ago, until it is deferred or attempted", async () => {
    const { store } = bench();
    const id = await startOne(bench());
    await recordAttempt(store, failed(id, 1));
    const due = NOW + 10 * MINUTE_MS;
    const overdue = async (now: number) =>
      (await listOverdue(store, { now, limit: 10 })).deliveries.map((row) => row.deliveryId);
    expect(await overdue(due)).toEqual([]);
    expect(await overdue(due + RECONCILE_GRACE_MS)).toEqual([id]);
    await deferReconcile(store, {
      ids: [id],
      until: due + 2 * RECONCILE_GRACE_MS,
      now: due + RECONCILE_GRACE_MS,
    });
    expect(await overdue(due + RECONCILE_GRACE_MS)).toEqual([]);
    await recordAttempt(store, { ...failed(id, 2), state: "succeeded", nextAttemptAt: null });
    expect(await overdue(due + 100 * MINUTE_MS)).toEqual([]);
  });

  test("is also one that was started and never attempted", async () => {
    const id = await startOne(bench());
    const overdue = await listOverdue(bench().store, { now: NOW + RECONCILE_GRACE_MS, limit: 10 });
    const rows = overdue.deliveries;
    expect(rows).toMatchObject([{ deliveryId: id, attempts: 0 }]);
  });
});

onEachDatabase("a request to retry now", (bench) => {
  test("makes the next attempt due at once, and a second request changes nothing", async () => {
    const { store, accountId } = bench();
    const id = await startOne(bench());
    await recordAttempt(store, failed(id, 1));
    const now = NOW + MINUTE_MS;
    const first = await requestRetry(store, { accountId, id, now });
    expect(first).toMatchObject({ requested: true, delivery: { nextAttemptAt: now, attempts: 1 } });
    expect(await requestRetry(store, { accountId, id, now: now + 1 })).toMatchObject({ requested: false });
    const { deliveries } = await listOverdue(store, { now: now + 15_000, limit: 10 });
    expect(deliveries).toMatchObject([{ deliveryId: id }]);
  });

  test("is refused for an ended delivery, and finds nothing in another account", async () => {
    const { store, accountId } = bench();
    const id = await startOne(bench());
    await recordAttempt(store, { ...failed(id, 1), state: "succeeded", nextAttemptAt: null });
    await expect(requestRetry(store, { accountId, id, now: NOW })).rejects.toMatchObject({
      code: "wrong_state",
    });
    expect(await requestRetry(store, { accountId: 999 as never, id, now: NOW })).toBeUndefined();
  });
});

onEachDatabase("an attempt of a test delivery", (bench) => {
  test("times out before the call that waits for it, and sooner if its subscription says so", async () => {
    const { store, accountId, subscribe } = bench();
    const { id: subscriptionId } = await subscribe();
    const data = Buffer.from("{}");
    const created = await createTestDelivery(store, {
      accountId,
      subscriptionId,
      eventType: "invoice_sent",
      data,
      now: NOW,
    });
    const timeoutMs = async () =>
      (await loadForAttempt(store, created?.id as DeliveryId, NOW))?.subscription.timeoutMs;
    expect(await timeoutMs()).toBe(TEST_ATTEMPT_TIMEOUT_MS);
    for (const [chosen, applied] of [
      [30_000, TEST_ATTEMPT_TIMEOUT_MS],
      [2_000, 2_000],
    ] as const) {
      await updateSubscription(store, { accountId, id: subscriptionId, timeoutMs: chosen, now: NOW });
      expect(await timeoutMs()).toBe(applied);
    }
  });
});
