import type { DeliveryId, SubscriptionId } from "@posthaste/domain";
import { listStatements } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { recordAttempts } from "../src/attempts/record-attempt.ts";
import {
  type Attempt,
  type AttemptToRecord,
  finishEnd,
  getSubscription,
  listDeliveries,
  listEnding,
  type Store,
} from "../src/index.ts";
import { attempt, type Bench, deliveriesOf, idsIn, NOW, onEachDatabase } from "./fixture.ts";
import { insertDeliveries } from "./many-rows.ts";

/*
 * The attempts of all accounts are recorded in groups, each in one transaction. What one receiver answers
 * must not make a group long: others' results wait for it. What counts is the number of statements; how long
 * they take depends on the machine.
 */

const DUE = NOW + 600_000;
const SLOT_MS = 10_000;
/** As many retries as one slot of ten seconds holds: 1. */
const SLOW = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 100 };

/** Further inserts of a hundred rows than of one, in three tables: a statement for each power of two. */
const INSERTS = 3 * 6;

type Of = { readonly id: DeliveryId; readonly n: number };
type Answer = (
  of: Of,
) => Pick<AttemptToRecord, "attempt" | "state" | "nextAttemptAt"> & Partial<AttemptToRecord>;

const fails: Answer = ({ n }) => ({
  attempt: attempt({ durationMs: 100 + n }),
  state: "started",
  nextAttemptAt: DUE + n,
  pace: SLOW,
});
const isGone: Answer = () => ({
  attempt: attempt({ outcome: "gone", status: 410 }),
  state: "cancelled",
  nextAttemptAt: null,
});

/** Ingests an event that `count` new subscriptions get. */
async function newDeliveries(bench: Bench, count: number): Promise<{ id: DeliveryId; of: SubscriptionId }[]> {
  const found: { id: DeliveryId; of: SubscriptionId }[] = [];
  for (let n = 0; n < count; n++) {
    const { id: of } = await bench.subscribe({ eventTypes: ["invoice_sent"] });
    found.push({ id: "" as DeliveryId, of });
  }
  const { eventId } = await bench.ingest();
  const rows = await deliveriesOf(bench.store, eventId);
  return found.map(({ of }) => ({
    of,
    id: rows.find((row) => row.subscription_id === of)?.id as DeliveryId,
  }));
}

/** Ingests `count` events for one subscription. */
async function deliveriesTo(bench: Bench, count: number): Promise<DeliveryId[]> {
  const ids: DeliveryId[] = [];
  for (let n = 0; n < count; n++) {
    const { eventId } = await bench.ingest();
    ids.push(...(await deliveriesOf(bench.store, eventId)).map((row) => row.id));
  }
  return ids;
}

/** Records one group, and returns its statements. */
async function group(store: Store, ids: readonly DeliveryId[], answer: Answer) {
  const records = ids.map((id, n) => ({
    deliveryId: id,
    endedReason: null,
    // Their calls did not come at the same moment.
    now: NOW + n,
    ...answer({ id, n }),
  }));
  return await listStatements(async () => {
    const settled = await recordAttempts(store, records);
    expect(settled.flatMap((one) => ("error" in one ? one.error : []))).toEqual([]);
  });
}

onEachDatabase("a group of attempts", (bench) => {
  test("needs as few statements for failures into a day of full turn slots as for others", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const ids = await deliveriesTo(bench(), 16);
    const ordinary = await group(store, ids.slice(0, 8), fails);
    await store.db.deleteFrom("turn_slots").execute();
    for (let from = 0; from < 8_640; from += 960) {
      const slots = Array.from({ length: 960 }, (_, i) => ({
        subscription_id: id,
        account_id: accountId,
        slot: DUE / SLOT_MS + from + i,
        taken: 1,
      }));
      await store.db.insertInto("turn_slots").values(slots).execute();
    }
    const intoFull = await group(store, ids.slice(8), fails);
    expect(intoFull.length - ordinary.length).toBeLessThanOrEqual(8);
  });

  test("needs few more statements for a hundred failures than for one, of one subscription", async () => {
    await bench().subscribe();
    const [first, ...others] = await deliveriesTo(bench(), 101);
    const one = await group(bench().store, [first as DeliveryId], fails);
    const hundred = await group(bench().store, others, fails);
    expect(hundred.length - one.length).toBeLessThanOrEqual(INSERTS);
  });

  test("needs few more statements for a hundred failures than for one, of a subscription each", async () => {
    const [first, ...others] = (await newDeliveries(bench(), 101)).map(({ id }) => id);
    const one = await group(bench().store, [first as DeliveryId], fails);
    const hundred = await group(bench().store, others, fails);
    expect(hundred.length - one.length).toBeLessThanOrEqual(INSERTS);
  });

  test("is sent in parts that fit into a packet, whatever receivers answer in headers or bodies", async () => {
    await bench().subscribe();
    const ids = await deliveriesTo(bench(), 8);
    // Two of them fit into one statement.
    const large = "x".repeat(1_000_000);
    const inserts = async (of: readonly DeliveryId[], over: Partial<Attempt>) => {
      const answer: Answer = (one) => ({ ...fails(one), attempt: attempt(over) });
      const statements = await group(bench().store, of, answer);
      return statements.filter(({ sql }) => sql.startsWith("insert into attempts")).length;
    };
    expect(await inserts(ids.slice(0, 4), { responseBody: Buffer.from(large) })).toBe(2);
    expect(await inserts(ids.slice(4), { responseHeaders: [["x-large", large]] })).toBe(2);
  });

  test("needs as few statements for a hundred retries that fail again", async () => {
    const [first, ...others] = (await newDeliveries(bench(), 101)).map(({ id }) => id);
    await group(bench().store, [first as DeliveryId, ...others], fails);
    const again: Answer = ({ n }) => ({
      ...fails({ id: first as DeliveryId, n }),
      attempt: attempt({ number: 2, durationMs: 100 + n }),
    });
    const one = await group(bench().store, [first as DeliveryId], again);
    const hundred = await group(bench().store, others, again);
    expect(hundred.length - one.length).toBeLessThanOrEqual(INSERTS);
    const holds = await bench().store.db.selectFrom("turns").select("hold_ms").execute();
    expect(new Set(holds.map(({ hold_ms }) => hold_ms)).size).toBeGreaterThan(1);
  });

  test("needs few more statements for a hundred subscriptions that end than for one", async () => {
    const [first, ...others] = (await newDeliveries(bench(), 101)).map(({ id }) => id);
    const one = await group(bench().store, [first as DeliveryId], isGone);
    const hundred = await group(bench().store, others, isGone);
    // They end in parts: a subscription may have 64 event types. Their events are inserted as well.
    const ends = 3 * Math.floor(100 / 15);
    expect(hundred.length - one.length).toBeLessThanOrEqual(INSERTS + ends);
    expect(idsIn(await listEnding(bench().store, { limit: 200 }))).toHaveLength(101);
  });

  test("needs few more statements for a hundred exhausted deliveries than for one", async () => {
    const [first, ...others] = (await newDeliveries(bench(), 101)).map(({ id }) => id);
    const isExhausted: Answer = () => ({ attempt: attempt(), state: "exhausted", nextAttemptAt: null });
    const one = await group(bench().store, [first as DeliveryId], isExhausted);
    const hundred = await group(bench().store, others, isExhausted);
    expect(hundred.length - one.length).toBeLessThanOrEqual(INSERTS);
  });

  test("leaves the other deliveries of a subscription whose receiver answered 410 to upkeep", async () => {
    const { store, accountId } = bench();
    const [few, many] = (await newDeliveries(bench(), 2)) as [
      { id: DeliveryId; of: SubscriptionId },
      { id: DeliveryId; of: SubscriptionId },
    ];
    await insertDeliveries(store, [{ count: 700, state: "pending", subscriptions: 1, first: many.of }]);
    const withFew = await group(store, [few.id], isGone);
    const withMany = await group(store, [many.id], isGone);
    expect(withMany.length).toBe(withFew.length);
    expect(await getSubscription(store, { accountId, id: many.of })).toMatchObject({ state: "ended" });
    const open = async () => await listDeliveries(store, { accountId, state: "pending", limit: 500 });
    expect(await open()).toHaveLength(500);
    expect(idsIn(await listEnding(store, { limit: 10 }))).toEqual([few.of, many.of]);
    while ((await finishEnd(store, { id: many.of, now: NOW })).goesOn);
    expect(await open()).toEqual([]);
  });
});
