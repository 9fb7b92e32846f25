import type { EventId, SubscriptionId } from "@posthaste/domain";
import { createTestStore } from "@posthaste/testkit";
import { describe, expect, test } from "vitest";
import {
  advanceErasure,
  advanceRecovery,
  cancelDelivery,
  closeStore,
  continueFanout,
  createErasure,
  createRecovery,
  listFanouts,
  openStore,
  RECOVERIES_MAX,
  retain,
  type Store,
} from "../src/index.ts";
import { type Bench, benchOn, deliveriesOf, idsIn, idsOf, NOW, onEachDatabase } from "./fixture.ts";
import { overlap } from "./held-store.ts";

/** Close to NOW: ids never go back within a process, and must still carry the times of these tests. */
const LATER = NOW + 30_000;

async function subscribeAll({ subscribe }: Bench, count: number): Promise<SubscriptionId[]> {
  const ids: SubscriptionId[] = [];
  for (let n = 0; n < count; n++) ids.push((await subscribe()).id);
  return ids;
}

/** Returns the subscriptions that have no delivery of the event yet. */
async function unserved(store: Store, eventId: EventId, all: readonly SubscriptionId[]) {
  const served = new Set(idsOf(await deliveriesOf(store, eventId)));
  return all.filter((id) => !served.has(id));
}

async function replay({ store, accountId }: Bench, subscriptionId: SubscriptionId, through = store) {
  const recovery = await createRecovery(store, {
    accountId,
    kind: "replay",
    subscriptionId,
    sinceAt: 0,
    untilAt: LATER,
    isDryRun: false,
    ratePerSecond: 1_000,
    now: LATER,
  });
  return await advanceRecovery(through, { id: recovery.id, limit: 500, now: LATER });
}

async function finish(store: Store, eventId: EventId, deliveriesMax = 3): Promise<number> {
  let created = 0;
  for (let goesOn = true; goesOn; ) {
    const step = await continueFanout(store, { eventId, now: LATER, deliveriesMax });
    created += step.made;
    goesOn = step.goesOn;
  }
  return created;
}

const changesOf = async ({ store }: Bench, eventId: EventId) =>
  await store.db.selectFrom("delivery_changes").select("id").where("event_id", "=", eventId).execute();

onEachDatabase("an unfinished fan-out and replays of its event", (bench) => {
  test("create each delivery once if the fan-out continues after the replays", async () => {
    const { store, ingest } = bench();
    const all = await subscribeAll(bench(), 12);
    const { eventId } = await ingest({ deliveriesMax: 2 });
    const replayed = (await unserved(store, eventId, all)).slice(0, 4);
    for (const id of replayed)
      expect(await replay(bench(), id)).toMatchObject({ made: 1, state: "completed" });

    expect(await finish(store, eventId)).toBe(12 - 2 - 4);
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual(all);
    expect(await changesOf(bench(), eventId)).toHaveLength(12);
    expect(idsIn(await listFanouts(store, { limit: 10 }))).toEqual([]);
  });

  test("create each delivery once if the replays follow the fan-out", async () => {
    const { store, ingest } = bench();
    const all = await subscribeAll(bench(), 6);
    const { eventId } = await ingest({ deliveriesMax: 2 });
    await finish(store, eventId);
    for (const id of all) expect(await replay(bench(), id)).toMatchObject({ made: 0, leftOut: 1 });
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual(all);
  });

  test("create and count each delivery once if they run at the same time", async () => {
    const { store, url, ingest } = bench();
    const all = await subscribeAll(bench(), RECOVERIES_MAX);
    const second = await openStore({ url });
    try {
      const events: EventId[] = [];
      for (let n = 0; n < 5; n++) events.push((await ingest({ deliveriesMax: 1, now: NOW + n })).eventId);
      const before = (await Promise.all(events.map((eventId) => deliveriesOf(store, eventId)))).flat().length;
      const [fannedOut, ...replays] = await Promise.all([
        Promise.all(events.map((eventId) => finish(store, eventId, 2))),
        ...all.map((id) => replay(bench(), id, second)),
      ]);
      const created = fannedOut.reduce((sum, one) => sum + one, 0);
      const replayed = replays.reduce((sum, one) => sum + (one?.made ?? 0), 0);
      expect(before + created + replayed).toBe(events.length * all.length);
      for (const eventId of events) {
        expect(idsOf(await deliveriesOf(store, eventId))).toEqual(all);
        expect(await changesOf(bench(), eventId)).toHaveLength(all.length);
      }
    } finally {
      await closeStore(second);
    }
  });
});

onEachDatabase("the event of an unfinished fan-out", (bench) => {
  /** Cancels the deliveries of an event. */
  const cancelAll = async (eventId: EventId) => {
    const { store } = bench();
    for (const { id } of await deliveriesOf(store, eventId)) {
      await cancelDelivery(store, { id, reason: "by hand", now: NOW });
    }
  };

  test("is not deleted for its age, although all deliveries so far have ended", async () => {
    const { store, ingest } = bench();
    const all = await subscribeAll(bench(), 3);
    const { eventId } = await ingest({ deliveriesMax: 1 });
    await cancelAll(eventId);
    const deleteOld = () => retain(store, { kind: "events", before: LATER + 60_000, cursor: "" });
    expect(await deleteOld()).toMatchObject({ deleted: 0 });
    await finish(store, eventId);
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual(all);
    await cancelAll(eventId);
    expect(await deleteOld()).toMatchObject({ deleted: 1 });
  });

  test.each([
    ["its key", { pointer: "/who", value: "me" }],
    ["its account", null],
  ])("is erased by %s together with the fan-out, which creates nothing more", async (_how, key) => {
    const { store, accountId, ingest } = bench();
    await subscribeAll(bench(), 3);
    const { eventId } = await ingest({ deliveriesMax: 1, json: '{"who":"me"}' });
    const { id } = await createErasure(store, { accountId, key, now: LATER });
    for (let state = "running", steps = 0; state === "running" && steps < 50; steps++) {
      state = (await advanceErasure(store, { id, now: LATER }))?.state ?? "not found";
    }
    expect(idsIn(await listFanouts(store, { limit: 10 }))).toEqual([]);
    const step = await continueFanout(store, { eventId, now: LATER, deliveriesMax: 10 });
    expect(step).toEqual({ made: 0, goesOn: false });
    expect(await deliveriesOf(store, eventId)).toEqual([]);
  });
});

describe("on MySQL", () => {
  test("an erasure waits for the step of a fan-out, and erases its deliveries", async () => {
    const own = await createTestStore("mysql");
    try {
      const bench = await benchOn(own);
      const { store, accountId, ingest } = bench;
      await subscribeAll(bench, 3);
      const { eventId } = await ingest({ deliveriesMax: 1, json: '{"who":"me"}' });
      const key = { pointer: "/who", value: "me" };
      const { id } = await createErasure(store, { accountId, key, now: LATER });
      const { first, second } = await overlap(
        bench,
        /^insert into deliveries/,
        (held) => continueFanout(held, { eventId, now: LATER, deliveriesMax: 10 }),
        (other) => advanceErasure(other, { id, now: LATER }),
      );
      expect(first).toMatchObject({ made: 2 });
      expect(second).toMatchObject({ state: "completed", events: 1, deliveries: 3 });
      expect(await deliveriesOf(store, eventId)).toEqual([]);
    } finally {
      await own.dispose();
    }
  });
});
