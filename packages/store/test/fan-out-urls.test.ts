import { type DeliveryId, type EventId, HOUR_MS, type SubscriptionId } from "@posthaste/domain";
import { expect, test } from "vitest";
import {
  advanceRecovery,
  continueFanout,
  createRecovery,
  endSubscription,
  pauseSubscription,
  type Store,
  updateSubscription,
} from "../src/index.ts";
import {
  type Bench,
  beginAttempts,
  deliveriesOf,
  idsOf,
  NOW,
  onEachDatabase,
  recordAccepted,
} from "./fixture.ts";

const url = (name: string | number) => `https://receiver.example/${name}`;

async function subscribeTo(
  { subscribe }: Bench,
  urls: readonly (string | number)[],
  eventTypes = ["invoice_sent"],
): Promise<SubscriptionId[]> {
  const ids: SubscriptionId[] = [];
  for (const name of urls) ids.push((await subscribe({ targetUrl: url(name), eventTypes })).id);
  return ids;
}

async function move(
  { store, accountId }: Bench,
  id: SubscriptionId | undefined,
  name: string | number,
  now = NOW,
) {
  if (id === undefined) throw new Error("no subscription");
  await updateSubscription(store, { accountId, id, targetUrl: url(name), now });
}

async function finish(store: Store, eventId: EventId, deliveriesMax = 3): Promise<void> {
  for (let goesOn = true; goesOn; ) {
    ({ goesOn } = await continueFanout(store, { eventId, now: NOW, deliveriesMax }));
  }
}

/** Returns the URL to which each delivery of the event is sent, in alphabetical order. */
async function reached(store: Store, eventId: EventId): Promise<string[]> {
  const rows = await store.db
    .selectFrom("deliveries as d")
    .innerJoin("subscriptions as s", "s.id", "d.subscription_id")
    .select("s.target_url")
    .where("d.event_id", "=", eventId)
    .execute();
  return rows.map((row) => row.target_url).sort();
}

const TWENTY = Array.from({ length: 20 }, (_, n) => n);

onEachDatabase("a fan-out during which URLs change", (bench) => {
  test("reaches each subscription once, whether it was served before or after its change", async () => {
    const { store, ingest } = bench();
    const all = await subscribeTo(bench(), TWENTY);
    const { eventId } = await ingest({ deliveriesMax: 5 });
    await continueFanout(store, { eventId, now: NOW, deliveriesMax: 5 });
    for (const [n, id] of all.entries()) await move(bench(), id, `new-${n}`);
    await finish(store, eventId);
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual(all);
  });

  test("reaches a subscription that got the URL of one that was served before", async () => {
    const { store, ingest } = bench();
    const [first, ...others] = await subscribeTo(bench(), ["a", "b", "c", "d"]);
    const { eventId } = await ingest({ deliveriesMax: 1 });
    await move(bench(), first, "z");
    await move(bench(), others.at(-1), "a");
    await finish(store, eventId);
    expect(await reached(store, eventId)).toEqual(["a", "b", "c", "z"].map(url));
  });

  test("reaches a URL once if a subscription that was served moves to it", async () => {
    const { store, ingest } = bench();
    const [first] = await subscribeTo(bench(), ["a", "b"]);
    await subscribeTo(bench(), ["c"], ["*"]);
    const { eventId } = await ingest({ deliveriesMax: 1 });
    await move(bench(), first, "c");
    await finish(store, eventId);
    expect(await reached(store, eventId)).toEqual([url("b"), url("c")]);
  });

  test("reaches a URL once if a subscription that was served moves to it, is accepted there and ends", async () => {
    const { store, accountId, ingest } = bench();
    const [accepted, unsent, between] = await subscribeTo(bench(), ["a", "b", "between"]);
    const [, again] = await subscribeTo(bench(), ["c", "d"], ["*"]);
    if (accepted === undefined || unsent === undefined) throw new Error("no subscription");
    const { eventId } = await ingest({ deliveriesMax: 2 });
    await move(bench(), accepted, "c");
    await move(bench(), unsent, "d");
    const [id] = await beginAttempts(store);
    await recordAccepted(store, id as DeliveryId);
    for (const one of [accepted, unsent])
      await endSubscription(store, { accountId, id: one, reason: "test", now: NOW });
    await finish(store, eventId);
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual([accepted, unsent, between, again]);
  });

  test("goes on behind a URL that was left, then served again, and is met a third time", async () => {
    const { store, ingest } = bench();
    const [left] = await subscribeTo(bench(), ["u"]);
    const [wild] = await subscribeTo(bench(), ["u"], ["*"]);
    const [third, behind] = await subscribeTo(bench(), ["w", "z"]);
    // Long after the others were changed.
    const now = NOW + HOUR_MS;
    const { eventId } = await ingest({ deliveriesMax: 1, now });
    await move(bench(), left, "v", now);
    await move(bench(), third, "u", now);
    await finish(store, eventId, 1);
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual([left, wild, behind]);
    expect(await reached(store, eventId)).toEqual(["u", "v", "z"].map(url));
  });

  test("serves a URL whose delivery was cancelled unsent, since its subscription ended", async () => {
    const { store, accountId, ingest } = bench();
    const [ended] = await subscribeTo(bench(), ["u"]);
    const [wild, behind] = await subscribeTo(bench(), ["u", "z"], ["*"]);
    const { eventId } = await ingest({ deliveriesMax: 1 });
    if (ended === undefined) throw new Error("no subscription");
    await endSubscription(store, { accountId, id: ended, reason: "test", now: NOW });
    await finish(store, eventId, 1);
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual([ended, wild, behind]);
  });

  test("reaches a subscription once if a replay served it before its change", async () => {
    const { store, accountId, ingest } = bench();
    const all = await subscribeTo(bench(), ["a", "b", "c"]);
    const { eventId } = await ingest({ deliveriesMax: 1 });
    const { id } = await createRecovery(store, {
      accountId,
      kind: "replay",
      subscriptionId: all[2] ?? null,
      sinceAt: 0,
      untilAt: NOW + 1,
      isDryRun: false,
      ratePerSecond: 100,
      now: NOW + 1,
    });
    expect(await advanceRecovery(store, { id, limit: 10, now: NOW + 1 })).toMatchObject({ made: 1 });
    await move(bench(), all[2], "z");
    await finish(store, eventId);
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual(all);
  });
});

onEachDatabase("subscriptions that share a URL", (bench) => {
  test("get one delivery of a wide event, wherever the walk meets them, and an active one comes first", async () => {
    const { store, accountId, ingest } = bench();
    const typed = await subscribeTo(bench(), TWENTY);
    const wild = await subscribeTo(bench(), TWENTY, ["*"]);
    const [paused] = typed;
    if (paused === undefined) throw new Error("no subscription");
    await pauseSubscription(store, { accountId, id: paused, now: NOW });
    for (const deliveriesMax of [1, 7, 25]) {
      const { eventId } = await ingest({ deliveriesMax });
      await finish(store, eventId, 7);
      expect(await reached(store, eventId)).toEqual(TWENTY.map(url).sort());
      expect(idsOf(await deliveriesOf(store, eventId))).toEqual([...typed.slice(1), wild[0]]);
    }
  });

  test("get one delivery each if they have different URLs by the time the walk meets the second", async () => {
    const { store, ingest } = bench();
    const [, typed] = await subscribeTo(bench(), ["a", "b", "c"]);
    const [wild] = await subscribeTo(bench(), ["b"], ["*"]);
    const { eventId } = await ingest({ deliveriesMax: 2 });
    await move(bench(), wild, "z");
    await finish(store, eventId);
    expect(await reached(store, eventId)).toEqual(["a", "b", "c", "z"].map(url));
    expect(idsOf(await deliveriesOf(store, eventId))).toContain(typed);
  });
});

onEachDatabase("a subscription whose URL changes", (bench) => {
  test("keeps its event types as they were, and refuses the URL of another one", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe({ targetUrl: url("a"), eventTypes: ["invoice_sent", "contact_created"] });
    await subscribe({ targetUrl: url("taken"), eventTypes: ["contact_created"] });
    const types = () =>
      store.db.selectFrom("subscription_event_types").select(["id", "removed_at"]).execute();
    const before = await types();
    await expect(
      updateSubscription(store, { accountId, id, targetUrl: url("taken"), now: NOW }),
    ).rejects.toMatchObject({ code: "already_exists" });
    await updateSubscription(store, { accountId, id, targetUrl: url("b"), now: NOW });
    expect(await types()).toEqual(before);
    // The keys are those of the new URL.
    await expect(subscribe({ targetUrl: url("b"), eventTypes: ["invoice_sent"] })).rejects.toMatchObject({
      code: "already_exists",
    });
    await subscribe({ targetUrl: url("a"), eventTypes: ["invoice_sent"] });
  });
});
