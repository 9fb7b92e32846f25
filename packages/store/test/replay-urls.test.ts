import type { DeliveryId, DeliveryState, EventId, SubscriptionId } from "@posthaste/domain";
import { timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  advanceRecovery,
  createRecovery,
  endSubscription,
  getDelivery,
  listDeliveries,
  resendDelivery,
  updateSubscription,
} from "../src/index.ts";
import { type Bench, beginAttempts, NOW, onEachDatabase, recordAccepted } from "./fixture.ts";

const LATER = NOW + 30_000;
/** They differ in what the log of attempts does not keep. */
const U = "https://receiver.example/u?key=1";
const V = "https://receiver.example/u?key=2";
const W = "https://receiver.example/w";
const EVENTS = 5;

/** Replays all events to a subscription (null: recovers all deliveries), and returns how many it created. */
async function made({ store, accountId }: Bench, subscriptionId: SubscriptionId | null, isDryRun = false) {
  const { id } = await createRecovery(store, {
    accountId,
    kind: subscriptionId === null ? "recover" : "replay",
    subscriptionId,
    sinceAt: 0,
    untilAt: LATER,
    isDryRun,
    ratePerSecond: 1_000,
    now: LATER,
  });
  const step = await advanceRecovery(store, { id, limit: 500, now: LATER });
  expect(step?.state).toBe("completed");
  return step?.made;
}

async function ingestSome({ ingest }: Bench): Promise<EventId[]> {
  const ids: EventId[] = [];
  for (let n = 0; n < EVENTS; n++) ids.push((await ingest({ now: NOW + n })).eventId);
  return ids;
}

async function putAllInto({ store }: Bench, state: DeliveryState): Promise<void> {
  await store.db
    .updateTable("deliveries")
    .set({ state, ...timesIn(state, NOW) })
    .execute();
}

async function end({ store, accountId }: Bench, id: SubscriptionId): Promise<void> {
  await endSubscription(store, { accountId, id, reason: "deleted", now: NOW + 10 });
}

onEachDatabase("a replay to a URL that another subscription had", (bench) => {
  test("sends what was cancelled unsent at the end of that one, once", async () => {
    const { store, accountId, subscribe } = bench();
    const first = await subscribe({ targetUrl: U });
    const events = await ingestSome(bench());
    await end(bench(), first.id);
    const second = await subscribe({ targetUrl: U, now: NOW + 20 });
    expect(await made(bench(), second.id, true)).toBe(EVENTS);
    expect(await made(bench(), second.id)).toBe(EVENTS);
    expect(await made(bench(), second.id)).toBe(0);
    expect(await made(bench(), null)).toBe(0);
    const sent = await listDeliveries(store, { accountId, subscriptionId: second.id, limit: 10 });
    expect(sent.map((delivery) => delivery.eventId).sort()).toEqual(events);
  });

  test.each(["pending", "started", "exhausted", "blocked"] as const)(
    "sends what was %s when that one ended, also before upkeep has cancelled it",
    async (state) => {
      const { store, subscribe } = bench();
      const first = await subscribe({ targetUrl: U });
      await ingestSome(bench());
      await end(bench(), first.id);
      await putAllInto(bench(), state);
      await store.db.updateTable("subscriptions").set({ ending: 1 }).where("id", "=", first.id).execute();
      const second = await subscribe({ targetUrl: U, now: NOW + 20 });
      expect(await made(bench(), second.id)).toBe(EVENTS);
    },
  );

  test("leaves out what the URL accepted, by whichever of its earlier subscriptions and deliveries", async () => {
    const { store, accountId, subscribe } = bench();
    const first = await subscribe({ targetUrl: U });
    await ingestSome(bench());
    const [failed] = await listDeliveries(store, { accountId, limit: 1 });
    if (failed === undefined) throw new Error("no delivery");
    await putAllInto(bench(), "exhausted");
    await resendDelivery(store, { accountId, id: failed.id, now: NOW + 5 });
    await store.db
      .updateTable("deliveries")
      .set({ state: "succeeded", ...timesIn("succeeded", NOW) })
      .where("state", "=", "pending")
      .execute();
    await end(bench(), first.id);
    const second = await subscribe({ targetUrl: U, now: NOW + 20 });
    expect(await made(bench(), second.id)).toBe(EVENTS - 1);
    await putAllInto(bench(), "succeeded");
    await end(bench(), second.id);
    const third = await subscribe({ targetUrl: U, now: NOW + 30 });
    expect(await made(bench(), third.id)).toBe(0);
  });

  test("leaves out what the URL accepted while its subscription ended", async () => {
    const { store, accountId, subscribe } = bench();
    const first = await subscribe({ targetUrl: U });
    await ingestSome(bench());
    const ids = await beginAttempts(store);
    await end(bench(), first.id);
    for (const id of ids.slice(1)) await recordAccepted(store, id);
    const states = await listDeliveries(store, { accountId, state: "cancelled", limit: EVENTS });
    expect(states).toHaveLength(EVENTS);
    const second = await subscribe({ targetUrl: U, now: NOW + 20 });
    expect(await made(bench(), second.id)).toBe(1);
  });

  test("leaves out what the URL accepted from a subscription that had moved to it and then ended", async () => {
    const { store, accountId, subscribe } = bench();
    const first = await subscribe({ targetUrl: U });
    await ingestSome(bench());
    await updateSubscription(store, { accountId, id: first.id, targetUrl: V, now: NOW + 10 });
    const [unsent, ...ids] = await beginAttempts(store);
    for (const id of ids) await recordAccepted(store, id);
    await end(bench(), first.id);
    const second = await subscribe({ targetUrl: V, now: NOW + 20 });
    expect(await made(bench(), second.id)).toBe(1);
    const [sent] = await listDeliveries(store, { accountId, subscriptionId: second.id, limit: 2 });
    expect(sent?.eventId).toBe((await getDelivery(store, { accountId, id: unsent as DeliveryId }))?.eventId);
  });

  test("sends what an earlier subscription's previous URL accepted before it moved here and ended", async () => {
    const { store, accountId, subscribe } = bench();
    const first = await subscribe({ targetUrl: U });
    await ingestSome(bench());
    const [unsent, ...ids] = await beginAttempts(store);
    for (const id of ids) await recordAccepted(store, id);
    await updateSubscription(store, { accountId, id: first.id, targetUrl: V, now: NOW + 10 });
    await recordAccepted(store, unsent as DeliveryId);
    await end(bench(), first.id);
    const second = await subscribe({ targetUrl: V, now: NOW + 20 });
    expect(await made(bench(), second.id)).toBe(EVENTS - 1);
  });

  test("sends what another URL accepted while that one was away from here", async () => {
    const { store, accountId, subscribe } = bench();
    const first = await subscribe({ targetUrl: U });
    await ingestSome(bench());
    const [here, ...elsewhere] = await beginAttempts(store);
    await recordAccepted(store, here as DeliveryId);
    await updateSubscription(store, { accountId, id: first.id, targetUrl: V, now: NOW + 10 });
    for (const id of elsewhere) await recordAccepted(store, id);
    await updateSubscription(store, { accountId, id: first.id, targetUrl: U, now: NOW + 20 });
    await end(bench(), first.id);
    const second = await subscribe({ targetUrl: U, now: NOW + 30 });
    expect(await made(bench(), second.id)).toBe(EVENTS - 1);
  });

  test.each([
    ["https://receiver.example/u", 0],
    ["https://receiver.example/w", EVENTS],
  ])("knows by the rest of the URL what it accepted before hashes were kept: %s", async (targetUrl, sent) => {
    const { store, subscribe } = bench();
    const first = await subscribe({ targetUrl: U });
    await ingestSome(bench());
    for (const id of await beginAttempts(store)) await recordAccepted(store, id);
    await store.db.updateTable("attempts").set({ target_url: targetUrl, target_hash: null }).execute();
    await end(bench(), first.id);
    const second = await subscribe({ targetUrl: U, now: NOW + 20 });
    expect(await made(bench(), second.id)).toBe(sent);
  });

  test("sends what goes elsewhere since that one moved away, and nothing to the URL that it moved to", async () => {
    const { store, accountId, subscribe } = bench();
    const first = await subscribe({ targetUrl: U });
    await ingestSome(bench());
    await updateSubscription(store, { accountId, id: first.id, targetUrl: V, now: NOW + 10 });
    const atOldUrl = await subscribe({ targetUrl: U, now: NOW + 20 });
    const atNewUrl = await subscribe({ targetUrl: V, eventTypes: ["*"], now: NOW + 20 });
    expect(await made(bench(), atNewUrl.id)).toBe(0);
    expect(await made(bench(), atOldUrl.id)).toBe(EVENTS);
    for (const { id } of [first, atOldUrl, atNewUrl]) expect(await made(bench(), id)).toBe(0);
    // The replay's deliveries go elsewhere, too, and the first ones come back.
    await updateSubscription(store, { accountId, id: atOldUrl.id, targetUrl: W, now: NOW + 30 });
    await updateSubscription(store, { accountId, id: first.id, targetUrl: U, now: NOW + 40 });
    const last = await subscribe({ targetUrl: U, eventTypes: ["*"], now: NOW + 50 });
    expect(await made(bench(), last.id)).toBe(0);
  });
});

onEachDatabase("a replay to a URL that another subscription has", (bench) => {
  test.each(["pending", "parked", "succeeded", "exhausted", "cancelled", "blocked"] as const)(
    "leaves out what is %s there: a recovery sends what failed, so nothing is sent by both",
    async (state) => {
      const { subscribe } = bench();
      await subscribe({ targetUrl: U });
      await ingestSome(bench());
      await putAllInto(bench(), state);
      const wild = await subscribe({ targetUrl: U, eventTypes: ["*"], now: NOW + 20 });
      expect(await made(bench(), wild.id)).toBe(0);
      const hasFailed = state === "exhausted" || state === "cancelled" || state === "blocked";
      expect(await made(bench(), null)).toBe(hasFailed ? EVENTS : 0);
    },
  );
});
