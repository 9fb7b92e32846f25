import type { EventId, SubscriptionId } from "@posthaste/domain";
import { expect, test } from "vitest";
import {
  advanceRecovery,
  closeStore,
  continueFanout,
  createRecovery,
  listFanouts,
  openStore,
  type Store,
} from "../src/index.ts";
import { type Bench, deliveriesOf, idsOf, NOW, onEachDatabase } from "./fixture.ts";

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
    expect(await listFanouts(store, { after: undefined, limit: 10 })).toEqual([]);
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
    const all = await subscribeAll(bench(), 20);
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
