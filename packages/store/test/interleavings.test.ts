import {
  type DeliveryId,
  type EventId,
  type RecoveryId,
  Refusal,
  type SubscriptionId,
} from "@posthaste/domain";
import { expect, test } from "vitest";
import {
  advanceRecovery,
  cancelDelivery,
  closeStore,
  continueFanout,
  createRecovery,
  listFanouts,
  openStore,
  resendDelivery,
  type Store,
} from "../src/index.ts";
import { type Bench, idsIn, keyed, NOW, onEachDatabase } from "./fixture.ts";
import { randomFrom } from "./random-from.ts";

/*
 * Whatever creates deliveries runs in random order, each thing several times and several at once: ingest
 * calls with the same keys, steps of fan-outs, replays and recoveries, resends. Between them, deliveries
 * fail. An event must reach every URL once by ingest, fan-out and replay together, and at no time may a
 * subscription have two open deliveries of an event. A failure names its seed.
 */

/** Close to NOW: ids never go back within a process, and must still carry the times of these tests. */
const LATER = NOW + 30_000;
const URLS = 6;
const EVENTS = 3;
const ROUNDS = 14;
const AT_ONCE_MAX = 5;

const WIDE = { limit: 3, now: LATER };

type World = {
  readonly bench: Bench;
  readonly stores: readonly Store[];
  readonly subscriptions: readonly SubscriptionId[];
  readonly recoveries: RecoveryId[];
  readonly random: () => number;
};

/** Ingests one of the events, perhaps again. Its keys are those that all have, and one that it has alone. */
async function ingestNth(bench: Bench, n: number, through: Store): Promise<unknown> {
  const event = { json: `{"n":${n}}`, key: `event ${n}`, keyed: [keyed("all"), keyed(`${n}`, true)] };
  return await bench.ingest({ ...event, deliveriesMax: 2, through });
}

type Step = (world: World, store: Store) => Promise<unknown>;

const STEPS: readonly Step[] = [
  async ({ bench, random }, store) => {
    const n = Math.floor(random() * EVENTS);
    return await ingestNth(bench, n, store);
  },
  async (_, store) => {
    const fanouts = idsIn(await listFanouts(store, { limit: EVENTS }));
    const step = (eventId: EventId) => continueFanout(store, { eventId, now: LATER, deliveriesMax: 2 });
    return await Promise.all(fanouts.flatMap((eventId) => [step(eventId), step(eventId)]));
  },
  async (world, store) => {
    const { subscriptions, random } = world;
    await start(world, store, "replay", subscriptions[Math.floor(random() * subscriptions.length)] ?? null);
  },
  async (world, store) => await start(world, store, "recover", null),
  async ({ recoveries, random }, store) => {
    const id = recoveries[Math.floor(random() * recoveries.length)];
    if (id === undefined) return;
    await Promise.all([advanceRecovery(store, { id, ...WIDE }), advanceRecovery(store, { id, ...WIDE })]);
  },
  async ({ bench: { accountId }, random }, store) => {
    const id = await anyDelivery(store, random);
    if (id === undefined) return;
    const resend = () => resendDelivery(store, { accountId, id, now: LATER });
    await Promise.all([resend(), resend()]);
  },
  // A delivery ends without having arrived, and may be resent or recovered from now on.
  async ({ random }, store) => {
    const id = await anyDelivery(store, random);
    if (id !== undefined) await cancelDelivery(store, { id, reason: "by a test", now: LATER });
  },
];

async function start(
  { bench: { accountId }, recoveries }: World,
  store: Store,
  kind: "replay" | "recover",
  subscriptionId: SubscriptionId | null,
): Promise<void> {
  const times = { sinceAt: 0, untilAt: LATER, now: LATER };
  const options = { accountId, kind, subscriptionId, isDryRun: false, ratePerSecond: 1_000, ...times };
  const recovery = await createRecovery(store, options).catch((error: unknown) => {
    // The account has as many as it may.
    if (error instanceof Refusal && error.code === "too_many") return undefined;
    throw error;
  });
  if (recovery !== undefined) recoveries.push(recovery.id);
}

async function anyDelivery(store: Store, random: () => number): Promise<DeliveryId | undefined> {
  const rows = await store.db.selectFrom("deliveries").select("id").orderBy("id").execute();
  return rows[Math.floor(random() * rows.length)]?.id;
}

async function expectOneOpenEach(store: Store, seed: number): Promise<void> {
  const rows = await store.db
    .selectFrom("deliveries")
    .select(["event_id", "subscription_id"])
    .where("state", "in", ["pending", "started", "parked"])
    .execute();
  const pairs = rows.map((row) => `${row.event_id} ${row.subscription_id}`);
  expect(pairs.length - new Set(pairs).size, `seed ${seed}`).toBe(0);
}

async function finish({ recoveries, bench: { store } }: World): Promise<void> {
  for (const eventId of idsIn(await listFanouts(store, { limit: EVENTS }))) {
    while ((await continueFanout(store, { eventId, now: LATER, deliveriesMax: 2 })).goesOn);
  }
  for (const id of recoveries) {
    for (let state = "running"; state === "running"; ) {
      state = (await advanceRecovery(store, { id, limit: 50, now: LATER }))?.state ?? "completed";
    }
  }
}

onEachDatabase("whatever creates deliveries, in any order and at once", (bench) => {
  test.each([11, 12, 13, 14])(
    "reaches each URL once and resends one at a time, with seed %i",
    async (seed) => {
      const { store, url, subscribe } = bench();
      const random = randomFrom(seed);
      const subscriptions: SubscriptionId[] = [];
      const targetUrl = (n: number) => `https://receiver.example/${n}`;
      for (let n = 0; n < URLS; n++) subscriptions.push((await subscribe({ targetUrl: targetUrl(n) })).id);
      // Two URLs have a second subscription.
      for (const n of [1, 4]) {
        subscriptions.push((await subscribe({ targetUrl: targetUrl(n), eventTypes: ["*"] })).id);
      }
      const second = await openStore({ url });
      try {
        const world: World = {
          bench: bench(),
          stores: [store, second],
          subscriptions,
          recoveries: [],
          random,
        };
        for (let round = 0; round < ROUNDS; round++) {
          const count = 1 + Math.floor(random() * AT_ONCE_MAX);
          const steps = Array.from({ length: count }, () => STEPS[Math.floor(random() * STEPS.length)]);
          await Promise.all(
            steps.map(async (step, n) => {
              // Each of them twice, once from each process.
              await Promise.all(
                world.stores.map((_, i) => step?.(world, world.stores[(i + n) % 2] ?? store)),
              );
            }),
          );
          await expectOneOpenEach(store, seed);
        }
        for (let n = 0; n < EVENTS; n++) {
          await ingestNth(world.bench, n, store);
        }
        await finish(world);
        await expectOneOpenEach(store, seed);

        const events = await store.db.selectFrom("events").select("id").execute();
        expect(events).toHaveLength(EVENTS);
        const keys = await store.db.selectFrom("event_keys").select("event_id").execute();
        expect(keys.map((row) => row.event_id).sort()).toEqual(events.flatMap(({ id }) => [id, id]).sort());
        const created = await store.db
          .selectFrom("delivery_changes as c")
          .innerJoin("deliveries as d", "d.id", "c.delivery_id")
          .innerJoin("subscriptions as s", "s.id", "d.subscription_id")
          .select(["c.event_id", "c.cause", "s.target_url"])
          .where("c.cause", "in", ["ingested", "fanned_out", "replayed", "recovered", "resent"])
          .execute();
        const first = created.filter(({ cause }) => cause !== "recovered" && cause !== "resent");
        const reached = first.map((row) => `${row.event_id} ${row.target_url}`).sort();
        const all = events.flatMap(({ id }) =>
          Array.from({ length: URLS }, (_, n) => `${id} ${targetUrl(n)}`),
        );
        expect(reached).toEqual(all.sort());
        // Each creation was logged once, and each event is counted once.
        const deliveries = await store.db.selectFrom("deliveries").select("id").execute();
        expect(created).toHaveLength(deliveries.length);
        expect(created.length).toBeGreaterThan(first.length);
        expect(created.filter(({ cause }) => cause === "ingested").length).toBeLessThanOrEqual(EVENTS);
      } finally {
        await closeStore(second);
      }
    },
  );
});
