import { DAY_MS, type DeliveryId, EMPTY_LINE, type Pace, type SubscriptionId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AttemptToRecord, recordAttempts } from "../src/attempts/record-attempt.ts";
import {
  claimDeliveries,
  closeStore,
  createIngest,
  deferReconcile,
  hashKeyValues,
  markStarted,
  openStore,
  parkDelivery,
  pauseSubscription,
  resumeSubscription,
  retain,
  type Store,
  takeTurn,
} from "../src/index.ts";
import { attempt, type Bench, benchOn, drainAll, keyed, NOW } from "./fixture.ts";
import { randomFrom } from "./random-from.ts";

/*
 * Two workers record groups of attempts, claim, take turns and park at the same time, on the same few
 * subscriptions. Every transaction locks in the order of `lock-rows.ts`, so none is ever rolled back for a
 * deadlock. Before they did, these tests counted several dozen. The keys of events lie in the order of their
 * values, so those of new events are written beside those of events that retention deletes.
 */

const SUBSCRIPTIONS = 6;
const EVENTS = 40;
const GROUP = 20;
const PACE: Pace = { rate: null, concurrency: 2 };

let own: TestStore;
let bench: Bench;
let workers: Store[];
let deadlocks: string[];

beforeEach(async () => {
  own = await createTestStore("mysql");
  bench = await benchOn(own);
  deadlocks = [];
  workers = [];
  for (let n = 0; n < 2; n++) workers.push(counting(await openStore({ url: own.url })));
});
afterEach(async () => {
  for (const worker of workers) await closeStore(worker);
  await own.dispose();
});

/** Records a group, and again what needed a row that another transaction held. */
async function recordAll(store: Store, group: readonly AttemptToRecord[]): Promise<void> {
  for (let left = group; left.length > 0; ) {
    const settled = await recordAttempts(store, left);
    left = left.filter((_, n) => "held" in (settled[n] ?? {}));
  }
}

/** Returns the store, with every transaction counted that the database rolled back for a deadlock. */
function counting(store: Store): Store {
  const isContention = (error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ER_LOCK_DEADLOCK") {
      deadlocks.push(String("sql" in error ? error.sql : error.message).slice(0, 200));
    }
    return store.seam.isContention(error);
  };
  return { ...store, seam: { ...store.seam, isContention } };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

type Row = { id: DeliveryId; subscription_id: SubscriptionId; attempts: number };

/** An attempt's record: most fail, some exhaust their delivery or succeed. */
function recordOf(row: Row, random: () => number, now: number): AttemptToRecord {
  const number = row.attempts + 1;
  const kind = random();
  const shared = { deliveryId: row.id, endedReason: null, now };
  if (kind < 0.3) {
    const accepted = attempt({ number, outcome: "accepted", status: 200 });
    const wasHealthy = kind < 0.15;
    return { ...shared, attempt: accepted, state: "succeeded", nextAttemptAt: null, wasHealthy };
  }
  if (kind < 0.5) return { ...shared, attempt: attempt({ number }), state: "exhausted", nextAttemptAt: null };
  const next = { state: "started", nextAttemptAt: now + 600_000, pace: PACE } as const;
  return { ...shared, attempt: attempt({ number }), ...next };
}

async function open(store: Store): Promise<Row[]> {
  return await store.db
    .selectFrom("deliveries")
    .select(["id", "subscription_id", "attempts"])
    .where("state", "in", ["pending", "started"])
    .where("event_type", "=", "invoice_sent")
    .orderBy("id")
    .execute();
}

describe("on MySQL, two workers that share subscriptions", () => {
  test.each([1, 2, 3])("record, claim and take turns without a deadlock, with seed %i", async (seed) => {
    const { store, accountId, subscribe, ingest } = bench;
    const ids: SubscriptionId[] = [];
    const random = randomFrom(seed);
    for (let n = 0; n < SUBSCRIPTIONS; n++) {
      const { id } = await subscribe({
        eventTypes: ["invoice_sent", "delivery_exhausted", "subscription_recovered"].slice(0, 1 + (n % 3)),
      });
      ids.push(id);
    }
    for (let n = 0; n < EVENTS; n++) await ingest();

    for (let round = 0; round < 6; round++) {
      const now = NOW + round * 60_000;
      const rows = shuffled(await open(store), random);
      const groups: AttemptToRecord[][] = [];
      for (let from = 0; from < rows.length && groups.length < 8; from += GROUP) {
        groups.push(rows.slice(from, from + GROUP).map((row) => recordOf(row, random, now)));
      }
      const [left = store, right = store] = workers;
      // Its deliveries are parked meanwhile, and drained in the next round.
      const paused = ids[round % ids.length] as SubscriptionId;
      const pausing = { accountId, id: paused, now };
      const others = rows.slice(0, 30);
      await Promise.all([
        ...groups.map((group, n) => recordAll(n % 2 === 0 ? left : right, group)),
        ...workers.map(async (worker, n) => {
          const owner = `worker ${n}`;
          const claim = { owner, limit: 40, inFlightMax: 8, leaseMs: 1_000, now: () => now };
          const claimed = await claimDeliveries(worker, claim);
          await markStarted(worker, { owner, ids: claimed.map(({ deliveryId }) => deliveryId), now });
        }),
        ...others.map(async (row, n) => {
          const worker = n % 2 === 0 ? left : right;
          const next = { deliveryId: row.id, subscriptionId: row.subscription_id, number: row.attempts + 1 };
          if (n % 3 === 0) await parkDelivery(worker, { ...next, id: row.id, now });
          else await takeTurn(worker, { ...next, pace: PACE, timeoutMs: 1_000, now: () => now });
        }),
        pauseSubscription(right, pausing),
        deferReconcile(left, { ids: others.map((row) => row.id), until: now + 1, now: now + 600_000 }),
      ]);
      await resumeSubscription(store, pausing);
      await drainAll(store, now);
    }

    expect(deadlocks).toEqual([]);
    const recorded = await store.db.selectFrom("attempts").select("delivery_id").execute();
    expect(recorded.length).toBeGreaterThan(SUBSCRIPTIONS * EVENTS);
    const lines = await store.db.selectFrom("turns").select("retry_line_us").execute();
    expect(lines.some((line) => line.retry_line_us !== EMPTY_LINE)).toBe(true);
  });

  test("ingest events with the same keys, while others with them are deleted, without a deadlock", async () => {
    const { store, accountId, ingest } = bench;
    const values = [..."abcd"].map((value) => keyed(value));
    for (let n = 0; n < EVENTS; n++) await ingest({ keyed: values });
    const [left = store, right = store] = workers;
    const later = NOW + DAY_MS;
    const [ingestLeft, ingestRight] = [createIngest(left), createIngest(right)];
    const call = async (n: number) => {
      const keyHashes = await hashKeyValues(store, accountId, [keyed(`${n % 3}`), ...values]);
      const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
      const events = Array.from({ length: GROUP }, () => ({ ...event, keyHashes }));
      return { accountId, now: later, deliveriesMax: 10, events };
    };
    const retainAll = async (worker: Store) => {
      for (let cursor: string | undefined = ""; cursor !== undefined; ) {
        ({ cursor } = await retain(worker, { kind: "events", before: later, cursor }));
      }
    };
    const calls = await Promise.all(Array.from({ length: 40 }, (_, n) => call(n)));
    await Promise.all([
      ...calls.map((one, n) => (n % 2 === 0 ? ingestLeft : ingestRight)(one)),
      ...workers.map(retainAll),
    ]);
    expect(deadlocks).toEqual([]);
    const rows = await store.db.selectFrom("event_keys").select("event_id").execute();
    expect(rows).toHaveLength(calls.length * GROUP * 5);
  });
});
