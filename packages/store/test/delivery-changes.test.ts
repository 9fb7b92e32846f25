import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type ChangeCursor,
  countChanges,
  createAccount,
  currentCursor,
  listChanges,
  orderChanges,
  retain,
} from "../src/index.ts";
import { NOW, onEachDatabase } from "./fixture.ts";

// MySQL only: SQLite has one writer at a time, so its ids follow the order of the commits.
let bench: TestStore;
beforeEach(async () => {
  bench = await createTestStore("mysql");
});
afterEach(() => bench.dispose());

const change = (accountId: AccountId, deliveryId: string) => ({
  account_id: accountId,
  delivery_id: deliveryId as DeliveryId,
  event_id: "evt_x" as EventId,
  event_type: "invoice_sent",
  subscription_id: 1 as SubscriptionId,
  cause: "ingested" as const,
  state: "pending" as const,
  attempts: 0,
  changed_at: NOW,
});

test("a change that commits after a reader has passed its id is still read", async () => {
  const { store } = bench;
  const { id: accountId } = await createAccount(store, { name: "test", now: NOW });
  let cursor: ChangeCursor = await currentCursor(store);
  const read = async () => {
    await orderChanges(store, NOW);
    const next = await listChanges(store, { accountId, after: cursor, limit: 10 });
    cursor = next.cursor;
    return next.changes.map(({ deliveryId }) => deliveryId);
  };
  const late = await store.db.startTransaction().execute();
  await late.insertInto("delivery_changes").values(change(accountId, "late")).execute();
  await store.db.insertInto("delivery_changes").values(change(accountId, "early")).execute();
  expect(await read()).toEqual(["early"]);
  await late.commit().execute();
  // Its id is the smaller of the two.
  expect(await read()).toEqual(["late"]);
  expect(await read()).toEqual([]);
});

test("a page that ends within a batch continues there and misses no change", async () => {
  const { store } = bench;
  const { id: accountId } = await createAccount(store, { name: "test", now: NOW });
  const { id: other } = await createAccount(store, { name: "other", now: NOW });
  for (let i = 0; i < 7; i++) {
    await store.db
      .insertInto("delivery_changes")
      .values(change(accountId, `d${i}`))
      .execute();
    await store.db
      .insertInto("delivery_changes")
      .values(change(other, `other${i}`))
      .execute();
  }
  await orderChanges(store, NOW);
  const seen: string[] = [];
  for (let after: ChangeCursor = { batch: 0, id: 0 }, pages = 0; pages < 4; pages++) {
    const { changes, cursor } = await listChanges(store, { accountId, after, limit: 3 });
    seen.push(...changes.map(({ deliveryId }) => deliveryId));
    after = cursor;
  }
  expect(seen).toEqual(["d0", "d1", "d2", "d3", "d4", "d5", "d6"]);
});

onEachDatabase("a reader whose last page ended within a batch", (bench) => {
  test("is refused once the rest of that batch is deleted, and one that read all of it is not", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    for (let n = 0; n < 3; n++) await ingest();
    await orderChanges(store, NOW);
    const read = (after: ChangeCursor, limit: number) => listChanges(store, { accountId, after, limit });
    const { cursor: within } = await read({ batch: 0, id: 0 }, 2);
    const { cursor: behind } = await read(within, 2);
    expect(within.batch).toBe(behind.batch);
    await countChanges(store);
    await retain(store, { kind: "changes", before: NOW + 60_000, cursor: "" });
    const refused = read(within, 2);
    await expect(refused).rejects.toMatchObject({ code: "wrong_state" });
    await expect(refused).rejects.toThrow("is too old");
    expect((await read(behind, 2)).changes).toEqual([]);
  });
});

onEachDatabase("a reader of one subscription's changes", (bench) => {
  test("examines a bounded number of the account's changes in a call, and misses none of its own", async () => {
    const { store, accountId } = bench();
    for (let i = 0; i < 12; i++) {
      const subscription_id = (i % 6 === 5 ? 2 : 1) as SubscriptionId;
      const row = { ...change(accountId, `d${i}`), subscription_id };
      await store.db.insertInto("delivery_changes").values(row).execute();
      if (i === 6) await orderChanges(store, NOW);
    }
    await orderChanges(store, NOW);
    const reader = { accountId, subscriptionId: 2 as SubscriptionId, limit: 10, examinedMax: 4 };
    const seen: (readonly string[])[] = [];
    let after: ChangeCursor = { batch: 0, id: 0 };
    for (let goesOn = true; goesOn; ) {
      const next = await listChanges(store, { ...reader, after });
      seen.push(next.changes.map(({ deliveryId }) => deliveryId));
      ({ cursor: after, goesOn } = next);
    }
    expect(seen).toEqual([[], ["d5"], ["d11"], []]);
    expect(await listChanges(store, { ...reader, after })).toEqual({
      changes: [],
      cursor: after,
      goesOn: false,
    });
  });
});

onEachDatabase("a database that was restored from a backup", (bench) => {
  const ordered = async (at: number) => {
    const { store, ingest } = bench();
    const { eventId } = await ingest({ now: at });
    while ((await orderChanges(store, at)) > 0);
    return eventId;
  };
  /** Undoes what was ordered after the backup, as a restore does. */
  const restoreTo = async ({ batch }: ChangeCursor) => {
    const { db } = bench().store;
    await db.deleteFrom("delivery_changes").where("batch", ">", batch).execute();
    await db.updateTable("change_counter").set({ batch }).execute();
  };

  test("refuses a cursor from the time that it lost, like one that is too old", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe();
    await ordered(NOW);
    const backup = await currentCursor(store);
    await ordered(NOW + 1_000);
    const cursor = await currentCursor(store);
    await restoreTo(backup);
    const refused = listChanges(store, { accountId, after: cursor, limit: 10 });
    await expect(refused).rejects.toMatchObject({ code: "wrong_state" });
    await expect(refused).rejects.toThrow("list the deliveries");
  });

  test("gives a reader with such a cursor every change since the restore", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe();
    await ordered(NOW);
    const backup = await currentCursor(store);
    for (let lost = 1; lost <= 5; lost++) await ordered(NOW + lost);
    const after = await currentCursor(store);
    await restoreTo(backup);
    const events = [await ordered(NOW + 1_000), await ordered(NOW + 1_000)];
    const { changes } = await listChanges(store, { accountId, after, limit: 10 });
    expect(changes.map(({ eventId }) => eventId)).toEqual(events);
  });
});
