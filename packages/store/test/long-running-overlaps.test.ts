import type {
  AccountId,
  DeliveryId,
  ErasureId,
  EventId,
  RecoveryId,
  SubscriptionId,
} from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { transact } from "../src/database/transact.ts";
import { deliveryRow, insertDeliveries } from "../src/deliveries/new-deliveries.ts";
import {
  advanceErasure,
  advanceRecovery,
  type ChangeCursor,
  cancelDelivery,
  continueFanout,
  countChanges,
  createErasure,
  createRecovery,
  currentCursor,
  getErasure,
  getRecovery,
  listChanges,
  listDeliveries,
  orderChanges,
  readStatistics,
  resendDelivery,
  retain,
} from "../src/index.ts";
import { type Bench, benchOn, deliveriesOf, idsOf, NOW } from "./fixture.ts";
import { holdAfter, overlap } from "./held-store.ts";

/*
 * Two processes do the same work, or one changes what the other works on, and they overlap where it matters
 * most: one has read what it decides by, and has not written yet. On SQLite writers take turns as a whole.
 */

/** Close to NOW: ids never go back within a process, and must still carry the times of these tests. */
const LATER = NOW + 30_000;

let own: TestStore;
let bench: Bench;
beforeEach(async () => {
  own = await createTestStore("mysql");
  bench = await benchOn(own);
});
afterEach(() => own.dispose());

const countersOf = async ({ store, accountId }: Bench) => {
  const times = { fromAt: NOW - 900_000, untilAt: NOW + 900_000 };
  const buckets = await readStatistics(store, { accountId, spanMs: 900_000, bucketMs: 900_000, ...times });
  return {
    events: buckets.reduce((sum, { counts }) => sum + counts.events, 0),
    deliveries: buckets.reduce((sum, { counts }) => sum + counts.deliveries, 0),
  };
};

/** Ingests events to a subscription, and cancels their deliveries. */
async function cancelled({ store, ingest }: Bench, count: number): Promise<DeliveryId[]> {
  const ids: DeliveryId[] = [];
  for (let n = 0; n < count; n++) {
    const [delivery] = await deliveriesOf(store, (await ingest({ json: '{"who":"me"}' })).eventId);
    if (delivery === undefined) throw new Error("no delivery");
    await cancelDelivery(store, { id: delivery.id, reason: "by hand", now: NOW });
    ids.push(delivery.id);
  }
  return ids;
}

async function recovery(
  { store, accountId }: Bench,
  subscriptionId: SubscriptionId | null = null,
): Promise<RecoveryId> {
  const times = { sinceAt: 0, untilAt: LATER, now: LATER };
  const options = { kind: "recover", isDryRun: false, ratePerSecond: 1_000 } as const;
  return (await createRecovery(store, { accountId, subscriptionId, ...options, ...times })).id;
}

describe("two callers on MySQL", () => {
  test("order changes one after another, and the second leaves the first one's as they are", async () => {
    const { store, accountId, subscribe, ingest } = bench;
    await subscribe();
    const { eventId: early } = await ingest();
    let late: EventId | undefined;
    const { first, second } = await overlap(
      bench,
      /^update delivery_changes set batch/,
      (held) => orderChanges(held, NOW),
      async (other) => {
        late = (await ingest()).eventId;
        return await orderChanges(other, NOW + 1);
      },
    );
    expect({ first, second }).toEqual({ first: 1, second: 1 });
    const rows = await store.db.selectFrom("delivery_changes").select(["event_id", "batch"]).execute();
    expect(rows).toEqual([
      { event_id: early, batch: NOW },
      { event_id: late, batch: NOW + 1 },
    ]);
    const { changes } = await listChanges(store, { accountId, after: { batch: NOW, id: 0 }, limit: 10 });
    expect(changes.map(({ eventId }) => eventId)).toEqual([early, late]);
  });

  test("count each change once", async () => {
    const { store, subscribe, ingest } = bench;
    await subscribe();
    await ingest();
    await orderChanges(store, NOW);
    const counted = await overlap(bench, /from statistics_cursor/, countChanges, countChanges);
    expect(counted).toMatchObject({ first: 1, second: 0 });
    expect(await countersOf(bench)).toEqual({ events: 1, deliveries: 1 });
  });

  test("count the changes of an account and erase it, and no counters of it are left", async () => {
    const { store, accountId, subscribe, ingest } = bench;
    await subscribe();
    await ingest();
    await orderChanges(store, NOW);
    await createErasure(store, { accountId, key: null, now: LATER });
    const { first } = await overlap(bench, /from delivery_changes/, countChanges, async (other) => {
      let state = "running";
      while (state !== "completed") {
        state = (await advanceErasure(other, { id: 1 as ErasureId, now: LATER }))?.state ?? "missing";
      }
    });
    expect(first).toBe(1);
    expect(await store.db.selectFrom("statistics").selectAll().execute()).toEqual([]);
  });

  test("advance a recovery one after another, and it counts what both did", async () => {
    const { store, accountId, subscribe } = bench;
    await subscribe();
    await cancelled(bench, 4);
    const id = await recovery(bench);
    const advance = (through: Bench["store"]) => advanceRecovery(through, { id, limit: 3, now: LATER });
    const { first, second } = await overlap(bench, /from recoveries/, advance, advance);
    expect(first).toMatchObject({ madeNow: 3 });
    expect(second).toMatchObject({ madeNow: 1, state: "completed" });
    expect(await getRecovery(store, { accountId, id })).toMatchObject({ examined: 4, made: 4, leftOut: 0 });
    expect(await listDeliveries(store, { accountId, state: "pending", limit: 10 })).toHaveLength(4);
  });

  test("advance an erasure one after another, and its receipt counts everything once", async () => {
    const { store, accountId, subscribe } = bench;
    await subscribe();
    await cancelled(bench, 3);
    const { id } = await createErasure(store, {
      accountId,
      key: { pointer: "/who", value: "me" },
      now: LATER,
    });
    const advance = (through: Bench["store"]) => advanceErasure(through, { id, now: LATER });
    const { first, second } = await overlap(bench, /from erasures/, advance, advance);
    expect(first).toMatchObject({ state: "completed", events: 3 });
    expect(second).toEqual(first);
    expect(await getErasure(store, id)).toEqual(first);
  });

  test("continue a fan-out one at a time, and the second does not wait", async () => {
    const { store, subscribe, ingest } = bench;
    const all: SubscriptionId[] = [];
    for (let n = 0; n < 5; n++) all.push((await subscribe()).id);
    const { eventId } = await ingest({ deliveriesMax: 1 });
    const advance = (through: Bench["store"]) =>
      continueFanout(through, { eventId, now: LATER, deliveriesMax: 2 });
    const { second, hasWaited } = await overlap(bench, /from fanouts/, advance, advance);
    expect(second).toEqual({ made: 0, goesOn: false });
    expect(hasWaited).toBe(false);
    while ((await advance(store)).goesOn);
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual(all);
  });
});

describe("a fan-out on MySQL", () => {
  test("leaves out a delivery that another transaction has just created", async () => {
    const { store, accountId, subscribe, ingest } = bench;
    const all: SubscriptionId[] = [];
    for (let n = 0; n < 4; n++) all.push((await subscribe()).id);
    const { eventId } = await ingest({ deliveriesMax: 1 });
    const served = idsOf(await deliveriesOf(store, eventId));
    const { id: subscriptionId, target_hash: targetHash } = await store.db
      .selectFrom("subscriptions")
      .select(["id", "target_hash"])
      .where("id", "not in", served)
      .limit(1)
      .executeTakeFirstOrThrow();
    const origin = { accountId, eventId, eventType: "invoice_sent", now: LATER };
    const row = deliveryRow(origin, { subscriptionId, parks: false, targetHash });
    const { second } = await overlap(
      bench,
      /^insert into deliveries/,
      (held) => transact(held, (tx) => insertDeliveries(tx, [row], "replayed")),
      (other) => continueFanout(other, { eventId, now: LATER, deliveriesMax: 10 }),
    );
    expect(second).toEqual({ made: 2, goesOn: false });
    expect(idsOf(await deliveriesOf(store, eventId))).toEqual(all);
    const changes = store.db.selectFrom("delivery_changes").select("id").where("event_id", "=", eventId);
    expect(await changes.execute()).toHaveLength(4);
  });
});

describe("an event with an unfinished fan-out on MySQL", () => {
  async function unfinished() {
    const { store, subscribe, ingest } = bench;
    const all: SubscriptionId[] = [];
    for (let n = 0; n < 3; n++) all.push((await subscribe()).id);
    const { eventId } = await ingest({ deliveriesMax: 1, json: '{"who":"me"}' });
    for (const { id } of await deliveriesOf(store, eventId)) {
      await cancelDelivery(store, { id, reason: "by hand", now: NOW });
    }
    const fanOut = (through: Bench["store"]) =>
      continueFanout(through, { eventId, now: LATER, deliveriesMax: 10 });
    return { all, eventId, fanOut };
  }

  test("keeps the deliveries of a step that comes while retention looks for open ones", async () => {
    const { all, eventId, fanOut } = await unfinished();
    const { first, second } = await overlap(
      bench,
      /^select distinct event_id from deliveries/,
      (held) => retain(held, { kind: "events", before: LATER + 60_000, cursor: "" }),
      fanOut,
    );
    expect(first).toMatchObject({ deleted: 0 });
    expect(second).toEqual({ made: 2, goesOn: false });
    expect(idsOf(await deliveriesOf(bench.store, eventId))).toEqual(all);
  });

  test("is erased after a step that has begun, and neither is rolled back for the other", async () => {
    const { store, accountId } = bench;
    const { eventId, fanOut } = await unfinished();
    const key = { pointer: "/who", value: "me" };
    const { id } = await createErasure(store, { accountId, key, now: LATER });
    const { second, rolledBack } = await overlap(bench, /from fanouts/, fanOut, (other) =>
      advanceErasure(other, { id, now: LATER }),
    );
    expect(second).toMatchObject({ state: "completed", events: 1, deliveries: 3 });
    expect(rolledBack).toBe(0);
    expect(await deliveriesOf(store, eventId)).toEqual([]);
  });
});

describe("an erasure on MySQL", () => {
  test.each(["resend", "recovery"])("waits for a %s, and erases its delivery", async (what) => {
    const { store, accountId, subscribe } = bench;
    await subscribe();
    const [id] = (await cancelled(bench, 1)) as [DeliveryId];
    const recoveryId = await recovery(bench);
    const key = { pointer: "/who", value: "me" };
    const { id: erasureId } = await createErasure(store, { accountId, key, now: LATER });
    const { second } = await overlap(
      bench,
      /^insert into deliveries/,
      async (held) =>
        what === "resend"
          ? await resendDelivery(held, { accountId, id, now: LATER })
          : await advanceRecovery(held, { id: recoveryId, limit: 10, now: LATER }),
      (other) => advanceErasure(other, { id: erasureId, now: LATER }),
    );
    expect(second).toMatchObject({ state: "completed", events: 1, deliveries: 2 });
    for (const table of ["events", "deliveries"] as const) {
      expect(await store.db.selectFrom(table).select("id").execute(), table).toEqual([]);
    }
  });
});

describe("a recovery on MySQL", () => {
  test("that is cancelled while a step waits stays cancelled, and creates nothing", async () => {
    const { store, accountId, subscribe } = bench;
    await subscribe();
    await cancelled(bench, 2);
    const id = await recovery(bench);
    const { second } = await overlap(
      bench,
      /^update recoveries set state/,
      (held) =>
        transact(held, (tx) =>
          tx.updateTable("recoveries").set({ state: "cancelled" }).where("id", "=", id).execute(),
        ),
      (other) => advanceRecovery(other, { id, limit: 10, now: LATER }),
    );
    expect(second).toMatchObject({ state: "cancelled", madeNow: 0 });
    expect(await getRecovery(store, { accountId, id })).toMatchObject({ state: "cancelled", made: 0 });
    expect(await listDeliveries(store, { accountId, state: "pending", limit: 10 })).toEqual([]);
  });

  test("leaves out a delivery that is being resent", async () => {
    const { store, accountId, subscribe } = bench;
    await subscribe();
    const [id] = (await cancelled(bench, 1)) as [DeliveryId];
    const recoveryId = await recovery(bench);
    const { first, second } = await overlap(
      bench,
      /^insert into deliveries/,
      (held) => resendDelivery(held, { accountId, id, now: LATER }),
      (other) => advanceRecovery(other, { id: recoveryId, limit: 10, now: LATER }),
    );
    expect(first).toMatchObject({ resent: true });
    expect(second).toMatchObject({ made: 0, leftOut: 1 });
    expect(await listDeliveries(store, { accountId, state: "pending", limit: 10 })).toHaveLength(1);
  });

  test("parks its deliveries if the subscription is being paused", async () => {
    const { store, accountId, subscribe } = bench;
    const { id: subscriptionId } = await subscribe();
    await cancelled(bench, 1);
    const id = await recovery(bench);
    const { second } = await overlap(
      bench,
      /^update subscriptions set state/,
      (held) =>
        transact(held, (tx) =>
          tx.updateTable("subscriptions").set({ state: "paused" }).where("id", "=", subscriptionId).execute(),
        ),
      (other) => advanceRecovery(other, { id, limit: 10, now: LATER }),
    );
    expect(second).toMatchObject({ made: 1 });
    expect(await listDeliveries(store, { accountId, state: "parked", limit: 10 })).toHaveLength(1);
  });
});

describe("a reader of the changes on MySQL", () => {
  let start: ChangeCursor;
  let accountId: AccountId;
  beforeEach(async () => {
    accountId = bench.accountId;
    await bench.subscribe();
    start = await currentCursor(bench.store);
    for (let n = 0; n < 2; n++) await bench.ingest();
    await orderChanges(bench.store, NOW);
  });
  const read = (store: Bench["store"], after: ChangeCursor, limit = 10) =>
    listChanges(store, { accountId, after, limit });

  test("reads a change later that was ordered while it read", async () => {
    const held = await holdAfter(own.url, /from delivery_changes/);
    try {
      const reading = read(held.store, start);
      await held.stopped;
      const { eventId } = await bench.ingest();
      await orderChanges(bench.store, NOW + 1);
      held.goOn();
      const { changes, cursor } = await reading;
      expect(changes).toHaveLength(2);
      const next = await read(bench.store, cursor);
      expect(next.changes.map((change) => change.eventId)).toEqual([eventId]);
    } finally {
      await held.close();
    }
  });

  test("is refused if changes after its cursor are deleted while it reads", async () => {
    const held = await holdAfter(own.url, /from change_counter/);
    try {
      const reading = read(held.store, start).catch((error: unknown) => error);
      await held.stopped;
      await countChanges(bench.store);
      expect((await retain(bench.store, { kind: "changes", before: LATER, cursor: "" })).deleted).toBe(2);
      held.goOn();
      expect(await reading).toMatchObject({ code: "wrong_state" });
    } finally {
      await held.close();
    }
  });
});
