import { type DeliveryId, type EventId, MINUTE_MS, type SubscriptionId } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { DRAIN_PER_SECOND } from "../src/dispatch/claim-rooms.ts";
import {
  advanceRecovery,
  type Claim,
  claimDeliveries,
  createRecovery,
  ingestEvents,
  markStarted,
  pauseSubscription,
  type Recovery,
  releaseClaims,
  resumeSubscription,
} from "../src/index.ts";
import { attempt, type Bench, drainAll, NOW, onEachDatabase, recordAccepted } from "./fixture.ts";

/** Close to NOW: ids never go back within a process, and must still carry the times of these tests. */
const LATER = NOW + 20_000;
const LEASE_MS = 30_000;
/** More than a replay keeps ahead of the dispatcher. */
const MANY = 70;

const claim = async ({ store }: Bench, over: Partial<Claim> = {}) =>
  await claimDeliveries(store, {
    ...{ owner: "me", limit: 32, inFlightMax: 32, leaseMs: LEASE_MS, now: () => LATER },
    ...over,
  });

/** Ingests events in one call, and returns their ids in the order of the call. */
async function ingestMany({ store, accountId }: Bench, count: number, now = NOW): Promise<EventId[]> {
  const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
  const events = Array.from({ length: count }, () => event);
  const ingested = await ingestEvents(store, { accountId, now, deliveriesMax: 10_000, events });
  return ingested.map(({ eventId }) => eventId);
}

async function startReplay(
  { store, accountId }: Bench,
  subscriptionId: SubscriptionId,
  over: { sinceAt?: number; untilAt?: number } = {},
): Promise<Recovery> {
  return await createRecovery(store, {
    ...{ accountId, kind: "replay", subscriptionId, isDryRun: false, ratePerSecond: 1_000 },
    ...{ sinceAt: 0, untilAt: LATER, now: LATER, ...over },
  });
}

async function step({ store }: Bench, { id }: Recovery, now = LATER) {
  const advanced = await advanceRecovery(store, { id, limit: 500, now });
  if (advanced === undefined) throw new Error("the recovery does not exist");
  return advanced;
}

/** Replays events that were ingested before the subscription was created. */
async function replaySome(bench: Bench, count: number) {
  const events = await ingestMany(bench, count);
  const { id } = await bench.subscribe({ now: LATER });
  const replay = await startReplay(bench, id);
  await step(bench, replay);
  return { events, subscriptionId: id, replay };
}

onEachDatabase("a replay", (bench) => {
  /** Claims and delivers until nothing is left. Returns the events of each claim. */
  const deliverAll = async (before: () => Promise<unknown> = async () => {}) => {
    const sent: EventId[][] = [];
    // As fast as a drain.
    for (let now = LATER; ; now += 1_000 / DRAIN_PER_SECOND) {
      await before();
      const claimed = await claim(bench(), { now: () => now });
      if (claimed.length === 0) return sent;
      sent.push(claimed.map(({ eventId }) => eventId));
      for (const { deliveryId } of claimed) await recordAccepted(bench().store, deliveryId, now);
    }
  };
  const ingestLive = (count: number) => ingestMany(bench(), count, LATER);

  test("is sent in the order of ingest, each first attempt after the one before has ended", async () => {
    const { events } = await replaySome(bench(), 40);
    expect(await deliverAll()).toEqual(events.map((id) => [id]));
  });

  test("keeps the order from step to step, and creates few deliveries ahead of the dispatcher", async () => {
    const { events, replay } = await replaySome(bench(), MANY);
    const created = await bench().store.db.selectFrom("deliveries").select("id").execute();
    expect(created.length).toBeLessThan(MANY);
    expect(await step(bench(), replay)).toMatchObject({ state: "running", madeNow: 0, isHeldUp: true });
    const sent = await deliverAll(async () => await step(bench(), replay));
    expect(sent).toEqual(events.map((id) => [id]));
    expect(await step(bench(), replay)).toMatchObject({ state: "completed", made: MANY, leftOut: 0 });
  });

  test("holds up no live event", async () => {
    const { events } = await replaySome(bench(), 40);
    const first = await ingestLive(5);
    const claimed = await claim(bench(), { limit: 6 });
    expect(claimed.map(({ eventId }) => eventId)).toEqual([events[0], ...first]);
    const second = await ingestLive(3);
    expect((await claim(bench())).map(({ eventId }) => eventId)).toEqual(second);
  });

  test("begins with the same event again after a lease that ran out or a claim that was released", async () => {
    const { store } = bench();
    await replaySome(bench(), 3);
    const [first] = await claim(bench());
    expect(await claim(bench())).toEqual([]);
    const now = LATER + LEASE_MS + 1;
    const after = { now: () => now };
    const again = await claim(bench(), after);
    expect(again).toMatchObject([{ deliveryId: first?.deliveryId }]);
    const ids = again.map(({ deliveryId }) => deliveryId);
    await releaseClaims(store, { owner: "me", ids, now });
    expect(await claim(bench(), after)).toMatchObject([{ deliveryId: first?.deliveryId }]);
  });

  test("waits for a workflow that was started and has made no attempt yet, and for no retry", async () => {
    const { store } = bench();
    const { events } = await replaySome(bench(), 3);
    const ids = (await claim(bench())).map(({ deliveryId }) => deliveryId);
    await markStarted(store, { owner: "me", ids, now: LATER });
    expect(await claim(bench(), { now: () => LATER + LEASE_MS + 1 })).toEqual([]);
    await recordAttempt(store, {
      deliveryId: ids[0] ?? ("" as DeliveryId),
      attempt: attempt(),
      state: "started",
      nextAttemptAt: LATER + 10 * MINUTE_MS,
      endedReason: null,
      now: LATER,
    });
    expect((await claim(bench())).map(({ eventId }) => eventId)).toEqual([events[1]]);
  });

  test("shares the one place with another replay to the same subscription", async () => {
    const older = await ingestMany(bench(), 3);
    const newer = await ingestMany(bench(), 3, NOW + 1_000);
    const { id } = await bench().subscribe({ now: LATER });
    await step(bench(), await startReplay(bench(), id, { sinceAt: NOW + 1_000 }));
    await step(bench(), await startReplay(bench(), id, { untilAt: NOW + 1_000 }));
    expect(await deliverAll()).toEqual([...newer, ...older].map((eventId) => [eventId]));
  });

  test("keeps the order when its subscription is paused and resumed in between", async () => {
    const { store, accountId } = bench();
    const { events, subscriptionId, replay } = await replaySome(bench(), MANY);
    const at = { accountId, id: subscriptionId, now: LATER };
    await pauseSubscription(store, at);
    expect(await step(bench(), replay)).toMatchObject({ madeNow: 6, isHeldUp: false });
    await resumeSubscription(store, at);
    const sent = await deliverAll(async () => await drainAll(store, LATER));
    expect(sent.flat()).toEqual(events);
    expect(sent.every((some) => some.length === 1)).toBe(true);
  });

  test("waits while thousands of deliveries of its subscription are pending", async () => {
    const { store } = bench();
    await ingestMany(bench(), 3);
    const { id } = await bench().subscribe({ now: LATER });
    const replay = await startReplay(bench(), id);
    await ingestLive(2_000);
    expect(await step(bench(), replay)).toMatchObject({ madeNow: 0, isHeldUp: true });
    const [first] = await claim(bench(), { limit: 1 });
    await recordAccepted(store, first?.deliveryId ?? ("" as DeliveryId), LATER);
    expect(await step(bench(), replay)).toMatchObject({ madeNow: 3 });
  });

  test("waits while another process's ids are ahead of its own, and those are pending", async () => {
    const { store } = bench();
    const { replay } = await replaySome(bench(), MANY);
    const ahead = `dlv_${"z".repeat(26)}` as DeliveryId;
    const [first] = await claim(bench());
    await store.db
      .deleteFrom("deliveries")
      .where("id", "!=", first?.deliveryId ?? ahead)
      .execute();
    await store.db.updateTable("deliveries").set({ id: ahead }).execute();
    expect(await step(bench(), replay)).toMatchObject({ madeNow: 0, isHeldUp: true });
    await recordAccepted(store, ahead, LATER);
    expect((await step(bench(), replay)).madeNow).toBe(6);
  });
});
