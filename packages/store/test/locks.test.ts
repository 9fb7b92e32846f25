import type { DeliveryId } from "@posthaste/domain";
import { createTestStore, lockWrites, recordAttempt, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newEventId } from "../src/database/ids.ts";
import { insertRows } from "../src/database/insert-rows.ts";
import { transact } from "../src/database/transact.ts";
import { lockDeliveries } from "../src/deliveries/move.ts";
import { deliveryRow } from "../src/deliveries/new-deliveries.ts";
import {
  advanceErasure,
  closeStore,
  createErasure,
  markStarted,
  openStore,
  type Store,
} from "../src/index.ts";
import { attempt, type Bench, benchOn, deliveriesOf, NOW } from "./fixture.ts";
import { waitForLockWaits } from "./lock-waits.ts";

let own: TestStore;
let bench: Bench;
/** Another process's store. */
let other: Store;
beforeEach(async () => {
  own = await createTestStore("mysql");
  bench = await benchOn(own);
  other = await openStore({ url: own.url });
});
afterEach(async () => {
  await closeStore(other);
  await own.dispose();
});

describe("on MySQL", () => {
  test("an erasure waits for an attempt that is being recorded, and erases it", async () => {
    const { store, accountId, subscribe, ingest } = bench;
    const { id: subscriptionId } = await subscribe();
    const { eventId } = await ingest({ json: '{"who":"me"}' });
    const [delivery] = await deliveriesOf(store, eventId);
    const { id } = await createErasure(store, { accountId, key: { pointer: "/who", value: "me" }, now: NOW });

    // The recording has locked its delivery, and waits for the slot in which its retry takes a place.
    const slots = await other.db.startTransaction().execute();
    await slots
      .insertInto("turn_slots")
      .values({
        subscription_id: subscriptionId,
        account_id: accountId,
        slot: Math.floor(NOW / 10_000),
        taken: 1,
      })
      .execute();
    const recording = recordAttempt(store, {
      deliveryId: delivery?.id as DeliveryId,
      attempt: attempt({ responseBody: Buffer.from("personal") }),
      state: "started",
      nextAttemptAt: NOW + 1,
      pace: { rate: null, concurrency: 1 },
      endedReason: null,
      now: NOW,
    });
    await waitForLockWaits(other, 1);
    const erasing = advanceErasure(store, { id, now: NOW });
    await waitForLockWaits(other, 2);
    await slots.rollback().execute();

    expect(await recording).toMatchObject({ kind: "recorded" });
    await erasing;
    expect(await store.db.selectFrom("attempts").select("delivery_id").execute()).toEqual([]);
    expect(await store.db.selectFrom("deliveries").select("id").execute()).toEqual([]);
  });

  test("a thousand deliveries and more are locked in the order of their ids", async () => {
    const { store, accountId, subscribe } = bench;
    const { id: subscriptionId } = await subscribe();
    const event = { accountId, eventType: "invoice_sent", now: NOW };
    const match = { subscriptionId, parks: false, targetHash: Buffer.alloc(32) };
    const rows = Array.from({ length: 5_000 }, () =>
      deliveryRow({ ...event, eventId: newEventId(NOW) }, match),
    );
    await transact(store, (tx) => insertRows(tx, "deliveries", rows));
    const ids = rows
      .map((row) => row.id)
      .sort()
      .slice(0, 1_100);

    const first = await other.db.startTransaction().execute();
    await first
      .selectFrom("deliveries")
      .select("id")
      .where("id", "=", ids[0] as never)
      .forUpdate()
      .execute();
    const locking = transact(store, (tx) => lockDeliveries(store, tx, [...ids].reverse()));
    await waitForLockWaits(other, 1);
    // It waits for the first one, so it cannot hold the last one yet.
    const last = await transact(other, (tx) =>
      tx
        .selectFrom("deliveries")
        .select("id")
        .where("id", "=", ids.at(-1) as never)
        .forUpdate()
        .skipLocked()
        .execute(),
    );
    await first.rollback().execute();
    expect(last).toHaveLength(1);
    expect((await locking).map((row) => row.id)).toEqual(ids);
  });
});

test("marking no delivery does not wait for other writers", async () => {
  const sqlite = await createTestStore("sqlite");
  const locked = await lockWrites(sqlite.url);
  try {
    await markStarted(sqlite.store, { owner: "me", ids: [], now: NOW });
  } finally {
    await locked.release();
    await sqlite.dispose();
  }
});
