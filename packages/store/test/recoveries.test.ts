import type { DeliveryState, EventId, RecoveryId, RecoveryKind, SubscriptionId } from "@posthaste/domain";
import { timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  advanceRecovery,
  changeRecovery,
  closeStore,
  createAccount,
  createRecovery,
  createTestDelivery,
  endSubscription,
  getSubscription,
  listDeliveries,
  listUnstartedRecoveries,
  markRecoveryStarted,
  openStore,
  pauseSubscription,
  RECOVERIES_MAX,
  type Recovery,
  type Store,
} from "../src/index.ts";
import { type Bench, idsIn, NOW, onEachDatabase } from "./fixture.ts";

/** Close to NOW: ids never go back within a process, and must still carry the times of these tests. */
const LATER = NOW + 30_000;

const start = (
  { store, accountId }: Bench,
  over: Partial<{
    kind: RecoveryKind;
    subscriptionId: SubscriptionId | null;
    sinceAt: number;
    untilAt: number;
    isDryRun: boolean;
    ratePerSecond: number;
    now: number;
  }> = {},
) =>
  createRecovery(store, {
    accountId,
    kind: "recover",
    subscriptionId: null,
    sinceAt: 0,
    untilAt: LATER,
    isDryRun: false,
    ratePerSecond: 1_000,
    now: LATER,
    ...over,
  });
const finish = async (store: Store, recovery: Recovery, limit = 500) => {
  for (let i = 0; i < 100; i++) {
    const step = await advanceRecovery(store, { id: recovery.id, limit, now: LATER });
    if (step === undefined || step.state !== "running") return step;
  }
  throw new Error("the recovery does not end");
};
/** Ingests events from `at` ms after {@link NOW} on, and puts all their deliveries into this state. */
const ingestIn = async ({ store, ingest }: Bench, count: number, state: DeliveryState, at = 0) => {
  const ids: EventId[] = [];
  for (let i = 0; i < count; i++) ids.push((await ingest({ now: NOW + at + i })).eventId);
  await store.db
    .updateTable("deliveries")
    .set({ state, ...timesIn(state, NOW + at) })
    .where("event_id", "in", ids)
    .execute();
  return ids;
};
const pending = async ({ store, accountId }: Bench) =>
  await listDeliveries(store, { accountId, state: "pending", limit: 500 });

onEachDatabase("a recovery", (bench) => {
  test("resends each exhausted, blocked or cancelled delivery once, and no other", async () => {
    const { store, subscribe } = bench();
    await subscribe();
    const failed = [
      ...(await ingestIn(bench(), 3, "exhausted")),
      ...(await ingestIn(bench(), 2, "cancelled")),
      ...(await ingestIn(bench(), 2, "blocked")),
    ];
    await ingestIn(bench(), 2, "succeeded");
    await ingestIn(bench(), 2, "started");
    const recovery = await start(bench());
    expect(await finish(store, recovery, 2)).toMatchObject({
      state: "completed",
      examined: 7,
      made: 7,
      leftOut: 0,
    });
    const resent = await pending(bench());
    expect(resent.map((delivery) => delivery.eventId).sort()).toEqual([...failed].sort());
    expect(resent.every((delivery) => delivery.createdAt === LATER)).toBe(true);
  });

  test("run again resends nothing that is open, only what has failed since", async () => {
    const { store, subscribe } = bench();
    await subscribe();
    await ingestIn(bench(), 5, "exhausted");
    await finish(store, await start(bench()));
    expect(await finish(store, await start(bench()))).toMatchObject({ made: 0, leftOut: 5 });
    await store.db
      .updateTable("deliveries")
      .set({ state: "blocked", ...timesIn("blocked", LATER) })
      .where("state", "=", "pending")
      .execute();
    // Created in the same millisecond as this recovery: out of its range.
    expect(await finish(store, await start(bench()))).toMatchObject({ made: 0 });
    expect(await finish(store, await start(bench(), { now: LATER + 1, untilAt: LATER + 1 }))).toMatchObject({
      made: 5,
      leftOut: 5,
    });
  });

  test("keeps to its time range and its subscription", async () => {
    const { store, subscribe } = bench();
    const { id } = await subscribe();
    await subscribe();
    await ingestIn(bench(), 10, "exhausted");
    const recovery = await start(bench(), { subscriptionId: id, sinceAt: NOW + 2, untilAt: NOW + 6 });
    expect(await finish(store, recovery)).toMatchObject({ examined: 4, made: 4 });
    expect(new Set((await pending(bench())).map((delivery) => delivery.subscriptionId))).toEqual(
      new Set([id]),
    );
  });

  test("leaves out test deliveries and those of an ended subscription", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await ingestIn(bench(), 2, "exhausted");
    const active = await subscribe();
    await createTestDelivery(store, {
      accountId,
      subscriptionId: active.id,
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      now: NOW,
    });
    await store.db
      .updateTable("deliveries")
      .set({ state: "exhausted", ...timesIn("exhausted", NOW) })
      .execute();
    await endSubscription(store, { accountId, id, reason: "test", now: NOW });
    expect(await finish(store, await start(bench()))).toMatchObject({ examined: 3, made: 0, leftOut: 3 });
    await expect(start(bench(), { subscriptionId: id })).rejects.toMatchObject({ code: "wrong_state" });
  });

  test("that is a dry run counts and changes nothing", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await ingestIn(bench(), 3, "exhausted");
    await pauseSubscription(store, { accountId, id, now: NOW });
    await ingestIn(bench(), 2, "parked");
    const recovery = await start(bench(), { subscriptionId: id, isDryRun: true });
    expect(recovery.parked).toBe(2);
    expect(await finish(store, recovery, 2)).toMatchObject({ made: 3 });
    expect(await pending(bench())).toEqual([]);
    expect(await listDeliveries(store, { accountId, state: "parked", limit: 10 })).toHaveLength(2);
    expect(await getSubscription(store, { accountId, id })).toMatchObject({ state: "paused" });
  });

  test("of a paused subscription starts a drain, and parks its resends behind", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await ingestIn(bench(), 3, "exhausted");
    await pauseSubscription(store, { accountId, id, now: NOW });
    await ingestIn(bench(), 2, "parked");
    const recovery = await start(bench(), { subscriptionId: id });
    expect(await getSubscription(store, { accountId, id })).toMatchObject({
      state: "active",
      isDraining: true,
    });
    await finish(store, recovery);
    expect(await listDeliveries(store, { accountId, state: "parked", limit: 10 })).toHaveLength(5);
  });

  test("creates no more in one step than its rate allows in a second", async () => {
    const { store, subscribe } = bench();
    await subscribe();
    await ingestIn(bench(), 10, "exhausted");
    const recovery = await start(bench(), { ratePerSecond: 4 });
    const step = () => advanceRecovery(store, { id: recovery.id, limit: 500, now: LATER });
    expect(await step()).toMatchObject({ state: "running", madeNow: 4, examined: 4 });
    expect(await step()).toMatchObject({ state: "running", madeNow: 4, examined: 8 });
    expect(await step()).toMatchObject({ state: "completed", madeNow: 2, examined: 10, leftOut: 0 });
  });

  test.each(["recover", "replay"] as const)("(%s) passes what needs nothing at any rate", async (kind) => {
    const { store, subscribe } = bench();
    const { id: subscriptionId } = await subscribe();
    await ingestIn(bench(), 20, "exhausted");
    await finish(store, await start(bench()));
    await ingestIn(bench(), 1, "exhausted", 20);
    const recovery = await start(bench(), { kind, subscriptionId, ratePerSecond: 1 });
    const step = await advanceRecovery(store, { id: recovery.id, limit: 500, now: LATER });
    const made = kind === "recover" ? 1 : 0;
    expect(step).toMatchObject({ state: "completed", examined: 21, made, leftOut: 21 - made });
  });

  test("creates nothing while paused, continues when resumed, and ends when cancelled", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe();
    await ingestIn(bench(), 6, "exhausted");
    const { id } = await start(bench(), { ratePerSecond: 2 });
    const step = () => advanceRecovery(store, { id, limit: 500, now: LATER });
    const change = (to: "running" | "paused" | "cancelled") =>
      changeRecovery(store, { accountId, id, to, now: LATER });
    await step();
    await change("paused");
    await change("paused");
    expect(await step()).toMatchObject({ state: "paused", madeNow: 0, made: 2 });
    await change("running");
    expect(await step()).toMatchObject({ state: "running", made: 4 });
    await change("cancelled");
    expect(await step()).toMatchObject({ state: "cancelled", made: 4 });
    await expect(change("running")).rejects.toMatchObject({ code: "wrong_state" });
    expect(await pending(bench())).toHaveLength(4);
  });

  test("advanced by two workers at once creates each delivery once", async () => {
    const { store, url, subscribe } = bench();
    await subscribe();
    await ingestIn(bench(), 60, "exhausted");
    const { id } = await start(bench());
    const second = await openStore({ url });
    try {
      const run = async (through: Store) => {
        while ((await advanceRecovery(through, { id, limit: 7, now: LATER }))?.state === "running");
      };
      await Promise.all([run(store), run(second)]);
      const resent = await pending(bench());
      expect(resent).toHaveLength(60);
      expect(new Set(resent.map((delivery) => delivery.eventId)).size).toBe(60);
    } finally {
      await closeStore(second);
    }
  });

  test("requested twice at once creates each delivery once", async () => {
    const { store, url, subscribe } = bench();
    await subscribe();
    await ingestIn(bench(), 100, "exhausted");
    const both = [await start(bench()), await start(bench())] as const;
    const second = await openStore({ url });
    try {
      await Promise.all([finish(store, both[0], 7), finish(second, both[1], 7)]);
      const resent = await pending(bench());
      expect(resent).toHaveLength(100);
      expect(new Set(resent.map((delivery) => delivery.eventId)).size).toBe(100);
    } finally {
      await closeStore(second);
    }
  });

  test("is refused while ten of its account have not ended, whatever others do", async () => {
    const { store, accountId } = bench();
    const { id: other } = await createAccount(store, { name: "other", now: NOW });
    for (let n = 0; n < 20; n++) {
      await finish(store, await start(bench()));
      if (n < RECOVERIES_MAX) await start({ ...bench(), accountId: other });
    }
    const all: Recovery[] = [];
    for (let n = 0; n < RECOVERIES_MAX; n++) all.push(await start(bench(), { isDryRun: n % 2 === 0 }));
    const [first, second] = all.map(({ id }) => id) as [RecoveryId, RecoveryId];
    await changeRecovery(store, { accountId, id: first, to: "paused", now: LATER });
    const message = expect.stringContaining("the maximum; wait until one ends, or cancel one");
    await expect(start(bench())).rejects.toMatchObject({ code: "too_many", message });
    await changeRecovery(store, { accountId, id: second, to: "cancelled", now: LATER });
    const both = await Promise.allSettled([start(bench()), start(bench())]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("is listed for a workflow start at once, and again after a minute without progress", async () => {
    const { store } = bench();
    const { id } = await start(bench());
    const unstarted = async (now: number) => idsIn(await listUnstartedRecoveries(store, { now, limit: 10 }));
    expect(await unstarted(LATER)).toEqual([id]);
    await markRecoveryStarted(store, { id, now: LATER });
    expect(await unstarted(LATER + 59_000)).toEqual([]);
    expect(await unstarted(LATER + 61_000)).toEqual([id]);
    await finish(store, { id } as Recovery);
    expect(await unstarted(LATER + 999_999)).toEqual([]);
  });
});

onEachDatabase("a replay", (bench) => {
  test("sends each wanted event from before its subscription once, in order", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const events: string[] = [];
    for (let i = 0; i < 7; i++) events.push((await ingest({ now: NOW + i })).eventId);
    await ingest({ eventType: "contact_created", now: NOW });
    const { id } = await subscribe();
    const live = await ingest({ now: NOW + 10 });
    const replay = () => start(bench(), { kind: "replay", subscriptionId: id });
    expect(await finish(store, await replay(), 3)).toMatchObject({ state: "completed", made: 7, leftOut: 1 });
    const resent = await listDeliveries(store, { accountId, subscriptionId: id, limit: 50 });
    expect(resent.reverse().map((delivery) => delivery.eventId)).toEqual([live.eventId, ...events]);
    expect(await finish(store, await replay())).toMatchObject({ made: 0, leftOut: 8 });
  });

  test("to a subscription of `*` leaves out test and operational events", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const other = await subscribe();
    await createTestDelivery(store, {
      accountId,
      subscriptionId: other.id,
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      now: NOW,
    });
    await ingest({ eventType: "delivery_exhausted", now: NOW });
    const { id } = await subscribe({ eventTypes: ["*"] });
    expect(await finish(store, await start(bench(), { kind: "replay", subscriptionId: id }))).toMatchObject({
      made: 0,
    });
  });

  test("ends with its subscription, and not before it by the time that its step began", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await ingest({ now: NOW });
    const { id } = await subscribe();
    const recovery = await start(bench(), { kind: "replay", subscriptionId: id });
    await endSubscription(store, { accountId, id, reason: "deleted", now: LATER + 3 });
    expect(await finish(store, recovery)).toMatchObject({
      state: "completed",
      made: 0,
      endedAt: LATER + 3,
    });
  });

  test("of another account's subscription is refused as not found", async () => {
    const { store, subscribe } = bench();
    const { id } = await subscribe();
    await expect(
      createRecovery(store, {
        accountId: 999 as never,
        kind: "replay",
        subscriptionId: id,
        sinceAt: 0,
        untilAt: LATER,
        isDryRun: false,
        ratePerSecond: 1,
        now: LATER,
      }),
    ).rejects.toMatchObject({ code: "not_found" });
  });
});
