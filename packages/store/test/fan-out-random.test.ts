import type { EventId, SubscriptionId } from "@posthaste/domain";
import { HOUR_MS, Refusal } from "@posthaste/domain";
import { timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  advanceRecovery,
  continueFanout,
  createRecovery,
  endSubscription,
  listFanouts,
  pauseSubscription,
  resumeSubscription,
  type Store,
  updateSubscription,
} from "../src/index.ts";
import { type Bench, idsIn, NOW, onEachDatabase } from "./fixture.ts";
import { randomFrom } from "./random-from.ts";

/*
 * A wide fan-out while its subscriptions change URLs, are paused, resumed and ended, and have the event
 * replayed, in a random order, against what was promised: after each step, the URL of each subscription that
 * was examined is served, and nothing was created for a URL that was served before.
 */

const SUBSCRIPTIONS = 10;
/** Few, so that subscriptions share them and meet again. */
const URLS = 5;
/** Each of them once met a URL that was served twice or not at all, or a fan-out that did not end. */
const SEEDS = [15, 38, 43, 73, 91, 92, 111, 171];

type Known = { url: number; isEnded: boolean };
type Made = { readonly id: string; readonly subscription_id: SubscriptionId; readonly state: string };
type Life = {
  readonly bench: Bench;
  readonly eventId: EventId;
  readonly subscriptions: ReadonlyMap<SubscriptionId, Known>;
  readonly random: () => number;
  readonly now: number;
};

async function deliveriesOf({ bench: { store }, eventId }: Life): Promise<Made[]> {
  return await store.db
    .selectFrom("deliveries")
    .select(["id", "subscription_id", "state"])
    .where("event_id", "=", eventId)
    .execute();
}

/** Returns whether a URL needs no other delivery. */
function isServed({ subscriptions }: Life, url: number | undefined, deliveries: readonly Made[]): boolean {
  return deliveries.some(({ subscription_id: id, state }) => {
    const subscription = subscriptions.get(id);
    return subscription?.url === url && (!subscription?.isEnded || state === "succeeded");
  });
}

/** Runs something that may create deliveries, and expects each of them to have been needed. */
async function creating(life: Life, act: () => Promise<unknown>): Promise<void> {
  const before = await deliveriesOf(life);
  await act();
  const known = new Set(before.map(({ id }) => id));
  const after = await deliveriesOf(life);
  const needless = after.filter(
    ({ id, subscription_id }) =>
      !known.has(id) && isServed(life, life.subscriptions.get(subscription_id)?.url, before),
  );
  expect(needless).toEqual([]);
  const receivers = after.map(({ subscription_id }) => subscription_id);
  expect(receivers).toHaveLength(new Set(receivers).size);
}

const ACTS: readonly ((life: Life, id: SubscriptionId, subscription: Known) => Promise<unknown>)[] = [
  moveAnywhere,
  moveAnywhere,
  moveAnywhere,
  ({ bench: { store, accountId }, now }, id) => pauseSubscription(store, { accountId, id, now }),
  ({ bench: { store, accountId }, now }, id) => resumeSubscription(store, { accountId, id, now }),
  endIt,
  replayTo,
  succeedAll,
];

async function moveAnywhere(
  { bench: { store, accountId }, random, now }: Life,
  id: SubscriptionId,
  it: Known,
) {
  const url = Math.floor(random() * URLS);
  await updateSubscription(store, { accountId, id, targetUrl: urlOf(url), now });
  it.url = url;
}

async function endIt({ bench: { store, accountId }, now }: Life, id: SubscriptionId, it: Known) {
  await endSubscription(store, { accountId, id, reason: "test", now });
  it.isEnded = true;
}

async function replayTo(life: Life, subscriptionId: SubscriptionId): Promise<void> {
  const { bench, now } = life;
  const { id } = await createRecovery(bench.store, {
    accountId: bench.accountId,
    kind: "replay",
    subscriptionId,
    sinceAt: 0,
    untilAt: now,
    isDryRun: false,
    ratePerSecond: 100,
    now,
  });
  await creating(life, () => advanceRecovery(bench.store, { id, limit: 100, now }));
}

async function succeedAll({ bench: { store }, eventId, now }: Life): Promise<void> {
  await store.db
    .updateTable("deliveries")
    .set({ state: "succeeded", ...timesIn("succeeded", now) })
    .where("event_id", "=", eventId)
    .where("state", "=", "pending")
    .execute();
}

const urlOf = (url: number) => `https://receiver.example/${url}`;

async function subscribeAll({ subscribe }: Bench, random: () => number) {
  const subscriptions = new Map<SubscriptionId, Known>();
  for (let n = 0; n < SUBSCRIPTIONS; n++) {
    const url = Math.floor(random() * URLS);
    const eventTypes = [random() < 0.5 ? "invoice_sent" : "*"];
    const made = await unlessRefused(() => subscribe({ targetUrl: urlOf(url), eventTypes }));
    if (made !== undefined) subscriptions.set(made.id, { url, isEnded: false });
  }
  return subscriptions;
}

/** Two subscriptions cannot have one URL and event type, and one that has ended cannot be changed. */
async function unlessRefused<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

async function cursorOf(store: Store, eventId: EventId): Promise<number> {
  const query = store.db
    .selectFrom("fanouts")
    .select("after_subscription_id")
    .where("event_id", "=", eventId);
  return (await query.executeTakeFirst())?.after_subscription_id ?? Number.POSITIVE_INFINITY;
}

/** Takes one step, and expects every subscription that it examined to have its URL served. */
async function step(life: Life): Promise<void> {
  const { bench, eventId, subscriptions, random, now } = life;
  const from = await cursorOf(bench.store, eventId);
  const deliveriesMax = 1 + Math.floor(random() * 2);
  await creating(life, () => continueFanout(bench.store, { eventId, now, deliveriesMax }));
  const to = await cursorOf(bench.store, eventId);
  const deliveries = await deliveriesOf(life);
  const unserved = [...subscriptions].filter(
    ([id, { url, isEnded }]) => id > from && id <= to && !isEnded && !isServed(life, url, deliveries),
  );
  expect(unserved).toEqual([]);
}

onEachDatabase("a fan-out among random changes", (bench) => {
  test.each(SEEDS)("ends, and serves each URL that it meets once (seed %i)", async (seed) => {
    const random = randomFrom(seed * 104_729);
    const subscriptions = await subscribeAll(bench(), random);
    // Long after the subscriptions were created.
    let now = NOW + HOUR_MS;
    const { eventId } = await bench().ingest({ deliveriesMax: 1, now });
    const ids = [...subscriptions.keys()];
    while (idsIn(await listFanouts(bench().store, { limit: 1 })).length > 0) {
      for (let acts = Math.floor(random() * 4); acts > 0; acts--) {
        now += 1_000;
        const id = ids[Math.floor(random() * ids.length)] as SubscriptionId;
        const act = ACTS[Math.floor(random() * ACTS.length)];
        const life = { bench: bench(), eventId, subscriptions, random, now };
        await unlessRefused(async () => act?.(life, id, subscriptions.get(id) as Known));
      }
      await step({ bench: bench(), eventId, subscriptions, random, now });
    }
  });
});
