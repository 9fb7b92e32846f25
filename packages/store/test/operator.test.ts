import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { recordAttempt, timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  createAccount,
  createPortalLink,
  createRecovery,
  createToken,
  endSubscription,
  type FailingPlace,
  listAccountStates,
  listFailingSubscriptions,
  listUnfinishedRecoveries,
  pauseSubscription,
  revokeToken,
} from "../src/index.ts";
import { attempt, type Bench, beginAttempts, NOW, onEachDatabase } from "./fixture.ts";

const HOUR_MS = 3_600_000;

/** Lets a subscription fail since a time. */
const failSince = ({ store }: Bench, id: SubscriptionId, at: number) =>
  store.db.updateTable("subscriptions").set({ failing_since: at }).where("id", "=", id).execute();
const createTokenOf = ({ store }: Bench, accountId: AccountId, expiresAt: number | null = null) =>
  createToken(store, { accountId, name: "a token", scopes: ["deliveries:read"], expiresAt, now: NOW });

onEachDatabase("the failing subscriptions of all accounts", (bench) => {
  test("come with their owner and cause, the longest failing first", async () => {
    const { store, subscribe, ingest } = bench();
    const { id: second } = await createAccount(store, { name: "second", now: NOW });
    const mine = await subscribe();
    const theirs = await subscribe({ accountId: second });
    await subscribe();
    await ingest();
    await ingest({ accountId: second });
    for (const deliveryId of await beginAttempts(store)) {
      const failed = attempt({ outcome: "status", status: 503 });
      const next = { state: "started" as const, nextAttemptAt: NOW + HOUR_MS, endedReason: null };
      await recordAttempt(store, { deliveryId, attempt: failed, ...next, now: NOW });
    }
    await failSince(bench(), mine.id, NOW - 1);
    await failSince(bench(), theirs.id, NOW - 2);
    const failing = await listFailingSubscriptions(store, { limit: 10 });
    expect(failing.slice(0, 2)).toMatchObject([
      {
        subscription: { id: theirs.id, accountId: second, failingSince: NOW - 2 },
        ...{ accountName: "second", retrying: 1, nextAttemptAt: NOW + HOUR_MS },
        last: { outcome: "status", status: 503 },
      },
      { subscription: { id: mine.id }, accountName: "first", retrying: 1 },
    ]);
    const ofMine = await listFailingSubscriptions(store, { accountId: bench().accountId, limit: 1 });
    expect(ofMine.map(({ subscription }) => subscription.id)).toEqual([mine.id]);
  });

  test("are paged without a gap, whatever their state, also if many began to fail at once", async () => {
    const { store, accountId, subscribe } = bench();
    const ids: SubscriptionId[] = [];
    for (let i = 0; i < 7; i++) {
      const { id } = await subscribe();
      ids.push(id);
      // Three at once, then two, then two.
      await failSince(bench(), id, NOW + Math.floor(i / 3));
    }
    const [, paused, ended] = ids;
    if (paused === undefined || ended === undefined) throw new Error("too few subscriptions");
    await pauseSubscription(store, { accountId, id: paused, now: NOW });
    await endSubscription(store, { accountId, id: ended, reason: "test", now: NOW });
    const seen: SubscriptionId[] = [];
    let after: FailingPlace | undefined;
    for (;;) {
      const page = await listFailingSubscriptions(store, { limit: 2, ...(after ? { after } : {}) });
      const last = page.at(-1)?.subscription;
      if (last === undefined) break;
      seen.push(...page.map(({ subscription }) => subscription.id));
      after = { failingSince: last.failingSince, id: last.id };
    }
    expect(seen).toEqual(ids.filter((id) => id !== ended));
  });
});

onEachDatabase("the states of accounts", (bench) => {
  test("count what waits, fails and may be used in each", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id: empty } = await createAccount(store, { name: "empty", now: NOW });
    const { id } = await subscribe();
    await subscribe();
    await failSince(bench(), id, NOW - 5);
    await ingest({ now: NOW + 1 });
    await ingest({ now: NOW + 2 });
    await store.db
      .updateTable("deliveries")
      .set({ state: "parked", ...timesIn("parked", NOW) })
      .where("subscription_id", "=", id)
      .execute();
    await createTokenOf(bench(), accountId);
    await createTokenOf(bench(), accountId, NOW - 1);
    const { token } = await createTokenOf(bench(), accountId);
    await revokeToken(store, { id: token.id, now: NOW });
    await createPortalLink(store, {
      ...{ accountId, scopes: ["deliveries:read"], expiresAt: NOW + HOUR_MS, sessionMs: HOUR_MS, now: NOW },
    });
    await createRecovery(store, {
      ...{ accountId, kind: "recover", subscriptionId: null, sinceAt: 0, untilAt: NOW },
      ...{ isDryRun: true, ratePerSecond: 1, now: NOW },
    });
    const states = await listAccountStates(store, { limit: 10, now: NOW });
    expect(states).toMatchObject([
      {
        account: { id: accountId, name: "first" },
        ...{ subscriptions: 2, failing: 1, failingSince: NOW - 5, pending: 2, started: 0, parked: 2 },
        // Ids, which tell the time, never go back within a process.
        ...{
          oldestPendingAt: expect.closeTo(NOW + 1, -1),
          tokens: 1,
          portalSessions: 0,
          portalLinks: 1,
          recoveries: 1,
        },
      },
      { account: { id: empty }, subscriptions: 0, failing: 0, failingSince: null, oldestPendingAt: null },
    ]);
    expect(await listAccountStates(store, { after: accountId, limit: 1, now: NOW })).toHaveLength(1);
  });

  test("leave out an account whose erasure was requested", async () => {
    const { store, accountId } = bench();
    await store.db.updateTable("accounts").set({ erased_at: NOW }).where("id", "=", accountId).execute();
    expect(await listAccountStates(store, { limit: 10, now: NOW })).toEqual([]);
  });
});

onEachDatabase("unfinished recoveries", (bench) => {
  test("are those of all accounts that have not ended", async () => {
    const { store, accountId } = bench();
    const { id: second } = await createAccount(store, { name: "second", now: NOW });
    const start = (of: AccountId) =>
      createRecovery(store, {
        ...{ accountId: of, kind: "recover", subscriptionId: null, sinceAt: 0, untilAt: NOW },
        ...{ isDryRun: false, ratePerSecond: 1, now: NOW },
      });
    const theirs = await start(second);
    const mine = await start(accountId);
    const ended = await start(accountId);
    await store.db.updateTable("recoveries").set({ state: "completed" }).where("id", "=", ended.id).execute();
    expect(await listUnfinishedRecoveries(store)).toMatchObject([
      { recovery: { id: mine.id }, accountName: "first" },
      { recovery: { id: theirs.id }, accountName: "second" },
    ]);
  });
});
