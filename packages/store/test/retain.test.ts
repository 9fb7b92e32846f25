import type { AccountId, DeliveryId, DeliveryState, SubscriptionId } from "@posthaste/domain";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "@posthaste/domain";
import { measureReads, poison, recordAttempt, timesIn } from "@posthaste/testkit";
import { sql } from "kysely";
import { beforeEach, expect, test } from "vitest";
import { attemptRow } from "../src/attempts/attempts.ts";
import { leastDeliveryId } from "../src/database/ids.ts";
import { insertRows } from "../src/database/insert-rows.ts";
import { transact } from "../src/database/transact.ts";
import {
  advanceErasure,
  closeStore,
  continueFanout,
  countChanges,
  createAccount,
  createErasure,
  currentCursor,
  listChanges,
  openStore,
  orderChanges,
  type RetentionKind,
  readStatistics,
  retain,
  type Store,
  updateSubscription,
} from "../src/index.ts";
import { attempt, type Bench, deliveriesOf, NOW, onEachDatabase } from "./fixture.ts";

/** Moves forward for each test, because ids never go back within a process. */
let now = NOW;
beforeEach(() => {
  now += 100 * DAY_MS;
});

const run = async (store: Store, kind: RetentionKind, before: number) => {
  let deleted = 0;
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const step = await retain(store, { kind, before, cursor });
    deleted += step.deleted;
    cursor = step.cursor;
  }
  return deleted;
};
const count = async (store: Store, table: "events" | "deliveries" | "attempts" | "idempotency_keys") => {
  const { n } = await store.db
    .selectFrom(table)
    .select((eb) => eb.fn.countAll().as("n"))
    .executeTakeFirstOrThrow();
  return Number(n);
};
/** Ingests events with one delivery and one attempt each, and puts the deliveries into this state at `at`. */
const createDeliveries = async (
  { store, ingest }: Bench,
  events: number,
  { state, at, endedAt = at }: { state: DeliveryState; at: number; endedAt?: number },
) => {
  for (let i = 0; i < events; i++) {
    const { eventId } = await ingest({ now: at, key: `${at}-${state}-${i}` });
    const { id } = await store.db
      .selectFrom("deliveries")
      .select("id")
      .where("event_id", "=", eventId)
      .executeTakeFirstOrThrow();
    await recordAttempt(store, {
      deliveryId: id,
      attempt: attempt(),
      state: "started",
      nextAttemptAt: at,
      endedReason: null,
      now: at,
    });
    await store.db
      .updateTable("deliveries")
      .set({ state, ...timesIn(state, at), ended_at: state === "succeeded" ? endedAt : null })
      .where("id", "=", id)
      .execute();
  }
};

onEachDatabase("retention", (bench) => {
  test("reads a bounded number of deliveries in a step, however wide the old events are", async () => {
    const { store, url, ingest } = bench();
    for (let n = 0; n < 60; n++) await ingest({ now });
    await widen(store, 200);
    const single = await openStore({ url, poolSize: 1 });
    const step = () => retain(single, { kind: "events", before: now + DAY_MS, cursor: "" });
    // The events of 2,000 deliveries, the deliveries themselves, and the first 500 of them to delete.
    expect((await measureReads(single, step)).rows).toBeLessThan(10_000);
    await closeStore(single);
    expect(await run(store, "events", now + DAY_MS)).toBe(60);
    expect(await count(store, "deliveries")).toBe(0);
  });

  test("deletes removed event types, except those that an unfinished fan-out may still match", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const ids: SubscriptionId[] = [];
    for (let n = 0; n < 4; n++)
      ids.push((await subscribe({ eventTypes: ["bill_paid", "invoice_sent"], now })).id);
    const [first = never(), second = never()] = ids;
    const unsubscribe = (id: SubscriptionId, at: number) =>
      updateSubscription(store, { accountId, id, eventTypes: ["bill_paid"], now: at });
    await unsubscribe(first, now);
    const ingestedAt = now + 2 * MINUTE_MS;
    const { eventId } = await ingest({ now: ingestedAt, deliveriesMax: 1 });
    await unsubscribe(second, ingestedAt + MINUTE_MS);
    const later = now + 90 * DAY_MS;
    expect(await run(store, "removed_event_types", later)).toBe(1);
    while ((await continueFanout(store, { eventId, now: ingestedAt, deliveriesMax: 2 })).goesOn);
    expect((await deliveriesOf(store, eventId)).map((row) => row.subscription_id)).toEqual(ids.slice(1));
    expect(await run(store, "removed_event_types", later)).toBe(1);
    expect(await run(store, "removed_event_types", later)).toBe(0);
    const live = await store.db.selectFrom("subscription_event_types").select("removed_at").execute();
    expect(live).toEqual(Array.from({ length: 6 }, () => ({ removed_at: null })));
  });

  test("deletes an account's removed event types whatever the fan-outs of another account", async () => {
    const { store, subscribe, ingest } = bench();
    const { id: otherId } = await createAccount(store, { name: "other", now });
    /** More than one step examines, so that those that are kept fill the first ones. */
    const KEPT = 450;
    const unsubscribeAll = async (accountId: AccountId, count: number) => {
      const { id } = await subscribe({ accountId, eventTypes: ["bill_paid"], now });
      const rows = Array.from({ length: count }, (_, n) => ({
        subscription_id: id,
        account_id: accountId,
        event_type: `type_${n}`,
        removed_at: now + HOUR_MS + (n % 3),
      }));
      await store.db.insertInto("subscription_event_types").values(rows).execute();
    };
    for (const type of ["*", "invoice_sent"]) await subscribe({ eventTypes: [type], now });
    const { eventId } = await ingest({ now, deliveriesMax: 1 });
    await unsubscribeAll(bench().accountId, KEPT);
    await unsubscribeAll(otherId, 3);
    const later = now + 90 * DAY_MS;
    expect(await run(store, "removed_event_types", later)).toBe(3);
    while ((await continueFanout(store, { eventId, now, deliveriesMax: 2 })).goesOn);
    expect(await run(store, "removed_event_types", later)).toBe(KEPT);
  });

  test.each(["events", "attempts"] as const)(
    "deletes all other %s if one cannot be deleted",
    async (kind) => {
      const { store, subscribe } = bench();
      await subscribe();
      await createDeliveries(bench(), 9, { state: "succeeded", at: now });
      const rows = await store.db.selectFrom("deliveries").select(["id", "event_id"]).orderBy("id").execute();
      const bad = rows[4];
      const badId = kind === "events" ? bad?.event_id : bad?.id;
      await poison(store, {
        table: kind,
        on: "delete",
        condition: `old.${kind === "events" ? "id" : "delivery_id"} = '${badId}'`,
      });
      const leftOut: string[] = [];
      let deleted = 0;
      for (let cursor: string | undefined = ""; cursor !== undefined; ) {
        const step = await retain(store, { kind, before: now + DAY_MS, cursor });
        if (step.leftOut !== undefined) leftOut.push(step.leftOut.item);
        deleted += step.deleted;
        cursor = step.cursor;
      }
      expect([deleted, leftOut, await count(store, kind)]).toEqual([8, [badId], 1]);
    },
  );

  test("fails if keys cannot be deleted: nothing can be left out", async () => {
    const { store, subscribe } = bench();
    await subscribe();
    await createDeliveries(bench(), 2, { state: "succeeded", at: now });
    await poison(store, { table: "idempotency_keys", on: "delete", condition: "1 = 1" });
    await expect(run(store, "idempotency_keys", now + DAY_MS)).rejects.toThrow("poison");
  });

  test("deletes old events with their deliveries and attempts, except open ones", async () => {
    const { store, subscribe } = bench();
    await subscribe();
    await createDeliveries(bench(), 3, { state: "succeeded", at: now });
    await createDeliveries(bench(), 2, { state: "parked", at: now });
    await createDeliveries(bench(), 1, { state: "succeeded", at: now + 5 * DAY_MS });
    expect(await run(store, "events", now + DAY_MS)).toBe(3);
    expect(await count(store, "events")).toBe(3);
    expect(await count(store, "deliveries")).toBe(3);
    expect(await count(store, "attempts")).toBe(3);
    expect(await run(store, "events", now + DAY_MS)).toBe(0);
  });

  test("deletes the attempts of deliveries that ended long ago, whenever they began", async () => {
    const { store, subscribe } = bench();
    await subscribe();
    await createDeliveries(bench(), 2, { state: "succeeded", at: now });
    await createDeliveries(bench(), 1, { state: "started", at: now });
    await createDeliveries(bench(), 1, { state: "succeeded", at: now + 1, endedAt: now + 2 * DAY_MS });
    expect(await run(store, "attempts", now + DAY_MS)).toBe(2);
    expect(await count(store, "attempts")).toBe(2);
    expect(await count(store, "deliveries")).toBe(4);
  });

  test("keeps a delivery and its attempts for their age from its end, however long it was parked", async () => {
    const { store, subscribe } = bench();
    await subscribe();
    const endedAt = now + 91 * DAY_MS;
    await createDeliveries(bench(), 1, { state: "succeeded", at: now, endedAt });
    const minuteLater = endedAt + MINUTE_MS;
    expect(await run(store, "events", minuteLater - 90 * DAY_MS)).toBe(0);
    expect(await run(store, "attempts", minuteLater - 30 * DAY_MS)).toBe(0);
    expect(await count(store, "attempts")).toBe(1);
    expect(await run(store, "attempts", endedAt + 1)).toBe(1);
    expect(await run(store, "events", endedAt)).toBe(0);
    expect(await run(store, "events", endedAt + 1)).toBe(1);
    expect(await count(store, "deliveries")).toBe(0);
  });

  test("keeps an event until the last of its deliveries has its age", async () => {
    const { store, subscribe, ingest } = bench();
    const { id: first } = await subscribe();
    await subscribe();
    await ingest({ now });
    const ended = { state: "succeeded" as const, ...timesIn("succeeded", now) };
    await store.db
      .updateTable("deliveries")
      .set({ ...ended, ended_at: now + 9 })
      .execute();
    const ofFirst = store.db.updateTable("deliveries").where("subscription_id", "=", first);
    await ofFirst.set({ ended_at: now }).execute();
    expect(await run(store, "events", now + 9)).toBe(0);
    expect(await count(store, "deliveries")).toBe(2);
    expect(await run(store, "events", now + 10)).toBe(1);
    expect(await count(store, "deliveries")).toBe(0);
  });

  test("deletes thousands of attempts in small steps", async () => {
    const { store, accountId, ingest } = bench();
    const { eventId } = await ingest({ now });
    const deliveries = Array.from({ length: 100 }, (_, i) => ({
      id: `${leastDeliveryId(now)}${String(i).padStart(16, "0")}` as DeliveryId,
      account_id: accountId,
      event_id: eventId,
      event_type: "invoice_sent",
      subscription_id: 1 as SubscriptionId,
      target_key: Buffer.from(String(i).padStart(32, "0")),
      state: "exhausted" as const,
      attempts: 14,
      test: 0,
      created_at: now,
      ended_at: now,
    }));
    const attempts = deliveries.flatMap((row) =>
      Array.from({ length: 14 }, (_, i) => attemptRow(row, attempt({ number: i + 1 }))),
    );
    await transact(store, async (tx) => {
      await insertRows(tx, "deliveries", deliveries);
      await insertRows(tx, "attempts", attempts);
    });
    const deleted: number[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      const step = await retain(store, { kind: "attempts", before: now + DAY_MS, cursor });
      deleted.push(step.deleted);
      cursor = step.cursor;
    }
    // 36 deliveries have 504 attempts.
    expect(deleted).toEqual([504, 504, 392]);
    expect(await count(store, "attempts")).toBe(0);
  });

  test("deletes old idempotency keys, after which the same key creates a new event", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    const first = await ingest({ key: "k", now });
    await ingest({ key: "young", now: now + 2 * DAY_MS });
    expect(await run(store, "idempotency_keys", now + DAY_MS)).toBe(1);
    expect(await count(store, "idempotency_keys")).toBe(1);
    const again = await ingest({ key: "k", now: now + 2 * DAY_MS });
    expect(again.eventId).not.toBe(first.eventId);
  });

  test("continues from step to step until everything old is deleted", async () => {
    const { store, ingest } = bench();
    for (let i = 0; i < 450; i++) await ingest({ now, key: `k${i}` });
    const first = await retain(store, { kind: "events", before: now + DAY_MS, cursor: "" });
    expect(first.deleted).toBe(200);
    expect(await run(store, "events", now + DAY_MS)).toBe(250);
    expect(await run(store, "idempotency_keys", now + DAY_MS)).toBe(450);
  });

  test("deletes thousands of an event's deliveries in small steps, then the event", async () => {
    const { store, accountId, ingest } = bench();
    const { eventId } = await ingest({ now, json: '{"Email":"ada@example.com"}' });
    const rows = Array.from({ length: 2_500 }, (_, i) => ({
      id: `dlv_${String(i).padStart(26, "0")}` as DeliveryId,
      account_id: accountId,
      event_id: eventId,
      event_type: "invoice_sent",
      subscription_id: 1 as SubscriptionId,
      target_key: Buffer.from(String(i).padStart(32, "0")),
      state: "succeeded" as const,
      attempts: 0,
      test: 0,
      created_at: now,
    }));
    await store.db.insertInto("deliveries").values(rows).execute();
    expect(await retain(store, { kind: "events", before: now + DAY_MS, cursor: "" })).toMatchObject({
      deleted: 0,
      cursor: "",
    });
    expect(await count(store, "deliveries")).toBe(2_000);
    expect(await count(store, "events")).toBe(1);
    const { id } = await createErasure(store, {
      accountId,
      key: { pointer: "/Email", value: "ada@example.com" },
      now,
    });
    for (const deliveries of [500, 1_000, 1_500, 2_000]) {
      expect(await advanceErasure(store, { id, now })).toMatchObject({
        state: "running",
        events: 0,
        deliveries,
      });
    }
    expect(await advanceErasure(store, { id, now })).toMatchObject({
      state: "completed",
      events: 1,
      deliveries: 2_000,
    });
    expect(await count(store, "deliveries")).toBe(0);
    expect(await count(store, "events")).toBe(0);
  });

  test("deletes old changes, and refuses a cursor before them", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    const read = (after: { batch: number; id: number }) =>
      listChanges(store, { accountId, after, limit: 10 });
    await ingest({ now });
    await orderChanges(store, now);
    const { cursor } = await read({ batch: 0, id: 0 });
    await ingest({ now: now + 2 * DAY_MS });
    await orderChanges(store, now);
    await countChanges(store);
    expect(await run(store, "changes", now + DAY_MS)).toBe(1);
    await expect(read({ batch: 0, id: 0 })).rejects.toMatchObject({ code: "wrong_state" });
    // A reader that had read all deleted changes continues.
    expect((await read(cursor)).changes).toHaveLength(1);
    expect((await read(await currentCursor(store))).changes).toEqual([]);
  });

  test("keeps old changes until the statistics have counted all of their batch", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    // One event makes more changes than are counted at once, all in one batch.
    for (let n = 0; n < 501; n++) await subscribe();
    await ingest({ now });
    expect(await orderChanges(store, now)).toBe(501);
    const old = { kind: "changes", before: now + DAY_MS, cursor: "" } as const;
    const kept = { deleted: 0, cursor: undefined, uncountedSince: now };
    expect(await retain(store, old)).toEqual(kept);
    expect(await countChanges(store)).toBe(500);
    expect(await retain(store, old)).toEqual(kept);
    expect(await countChanges(store)).toBe(1);
    expect(await retain(store, old)).toEqual({ deleted: 501, cursor: "more" });
    expect(await retain(store, old)).toEqual({ deleted: 0, cursor: undefined });
    const span = { accountId, spanMs: 900_000, bucketMs: DAY_MS, fromAt: now, untilAt: now + 1 } as const;
    const [{ counts } = never()] = await readStatistics(store, span);
    expect(counts).toMatchObject({ events: 1, deliveries: 501 });
  });

  test("deletes counted changes although later ones are not counted", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await ingest({ now });
    await orderChanges(store, now);
    await countChanges(store);
    await ingest({ now: now + 1 });
    await orderChanges(store, now);
    expect(await run(store, "changes", now + DAY_MS)).toBe(1);
    expect(await countChanges(store)).toBe(1);
    expect(await run(store, "changes", now + DAY_MS)).toBe(1);
  });

  test("deletes uncounted changes a month later, when their counters would be deleted", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await ingest({ now });
    await ingest({ now: now + 1 });
    await orderChanges(store, now);
    const monthLater = now + 31 * DAY_MS;
    expect(await run(store, "changes", monthLater + 1)).toBe(0);
    expect(await run(store, "changes", monthLater + 2)).toBe(2);
    await ingest({ now: monthLater });
    await orderChanges(store, monthLater);
    expect(await countChanges(store)).toBe(1);
  });
});

function never(): never {
  throw new Error("too few subscriptions");
}

/** Gives each event as many deliveries, which have ended. */
async function widen({ db, seam }: Store, deliveries: number): Promise<void> {
  const digits = Array.from({ length: 10 }, (_, digit) => `select ${digit} as d`).join(" union all ");
  const numbers = `select 100 * a.d + 10 * b.d + c.d as n from (${digits}) a, (${digits}) b, (${digits}) c`;
  const binary = sql.raw(seam.name === "mysql" ? "binary" : "blob");
  await sql`
    insert into deliveries (id, account_id, event_id, event_type, subscription_id, target_key,
      state, attempts, test, created_at, ended_at)
    select concat('dlv_', substr(e.id, 9, 22), 1000 + n.n), e.account_id, e.id, e.event_type, 1,
      cast(concat('a target key of 28 bytes, ..', 1000 + n.n) as ${binary}), 'succeeded', 1, 0, ${now}, ${now}
    from events e, (${sql.raw(numbers)}) as n where n.n < ${deliveries}
  `.execute(db);
}
