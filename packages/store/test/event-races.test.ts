import type { DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { createTestStore, recordAttempt, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  advanceErasure,
  advanceRecovery,
  cancelDelivery,
  closeStore,
  createAccount,
  createErasure,
  createIngest,
  createRecovery,
  ingestEvents,
  openStore,
  resendDelivery,
  retain,
  type Store,
} from "../src/index.ts";
import { attempt, type Bench, benchOn, deliveriesOf, NOW, onEachDatabase } from "./fixture.ts";
import { overlap } from "./held-store.ts";
import { waitForLockWaits } from "./lock-waits.ts";

/** Close to NOW: ids never go back within a process, and must still carry the times of these tests. */
const LATER = NOW + 30_000;
/** When everything of these tests has reached its age. */
const OLD = LATER + 60_000;

/** Returns the open deliveries whose event does not exist. */
async function orphans(store: Store) {
  return await store.db
    .selectFrom("deliveries as d")
    .leftJoin("events as e", "e.id", "d.event_id")
    .select("d.id")
    .where("e.id", "is", null)
    .execute();
}

async function endedDelivery({ store, ingest }: Bench): Promise<{ id: DeliveryId; eventId: EventId }> {
  const { eventId } = await ingest();
  const [delivery] = await deliveriesOf(store, eventId);
  if (delivery === undefined) throw new Error("no delivery");
  await cancelDelivery(store, { id: delivery.id, reason: "by hand", now: NOW });
  return { id: delivery.id, eventId };
}

function start({ store, accountId }: Bench, kind: "recover" | "replay", subscriptionId: SubscriptionId) {
  const times = { sinceAt: 0, untilAt: LATER, now: LATER };
  const options = { accountId, kind, subscriptionId, isDryRun: false, ratePerSecond: 1_000, ...times };
  return createRecovery(store, options);
}

const deleteOld = (store: Store) => retain(store, { kind: "events", before: OLD, cursor: "" });

describe("while an old event is deleted, on MySQL", () => {
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

  /** Holds the subscription's row, runs the deletion when `making` waits for it, and lets go. */
  async function deleteDuring(subscriptionId: SubscriptionId, making: () => Promise<unknown>) {
    const holder = await other.db.startTransaction().execute();
    await holder
      .selectFrom("subscriptions")
      .select("id")
      .where("id", "=", subscriptionId)
      .forUpdate()
      .execute();
    const made = making().catch((error: unknown) => error);
    await waitForLockWaits(other, 1);
    expect((await deleteOld(other)).deleted).toBe(1);
    await holder.rollback().execute();
    return await made;
  }

  test("a resend that has begun creates nothing, and says that the event was deleted", async () => {
    const { store, accountId, subscribe } = bench;
    const subscription = await subscribe();
    const { id, eventId } = await endedDelivery(bench);
    const made = await deleteDuring(subscription.id, () =>
      resendDelivery(store, { accountId, id, now: LATER }),
    );
    expect(made).toMatchObject({ code: "wrong_state", message: expect.stringContaining(eventId) });
    expect(await orphans(store)).toEqual([]);
  });

  test("a recovery that has begun leaves its delivery out", async () => {
    const { store, subscribe } = bench;
    const subscription = await subscribe();
    await endedDelivery(bench);
    const { id } = await start(bench, "recover", subscription.id);
    const made = await deleteDuring(subscription.id, () =>
      advanceRecovery(store, { id, limit: 10, now: LATER }),
    );
    expect(made).toMatchObject({ made: 0, leftOut: 1 });
    expect(await orphans(store)).toEqual([]);
  });

  test("a replay that has begun comes first, and its event is kept", async () => {
    const { store, ingest, subscribe } = bench;
    const { eventId } = await ingest();
    const subscription = await subscribe();
    const { id } = await start(bench, "replay", subscription.id);
    const { target_hash: key } = await store.db
      .selectFrom("subscriptions")
      .select("target_hash")
      .executeTakeFirstOrThrow();

    // The replay waits for the end of a transaction that creates the same delivery.
    const holder = await other.db.startTransaction().execute();
    const delivery = {
      id: "dlv_other" as DeliveryId,
      event_id: eventId,
      target_key: key,
      test: 0,
      attempts: 0,
    };
    const row = {
      ...delivery,
      event_type: "invoice_sent",
      subscription_id: subscription.id,
      created_at: NOW,
    };
    await holder
      .insertInto("deliveries")
      .values({ ...row, account_id: bench.accountId, state: "succeeded" })
      .execute();
    const replaying = advanceRecovery(store, { id, limit: 10, now: LATER });
    await waitForLockWaits(other, 1);
    let isDeleted = false;
    const deleting = deleteOld(other).finally(() => {
      isDeleted = true;
    });
    await waitForLockWaits(other, 2, () => isDeleted);
    await holder.rollback().execute();

    expect(await replaying).toMatchObject({ made: 1 });
    expect(await deleting).toMatchObject({ deleted: 0 });
    expect(await orphans(store)).toEqual([]);
  });

  test("an erasure of the account waits for an ingest call in flight, and erases its event", async () => {
    const { store, accountId, subscribe } = bench;
    await subscribe();
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: "one" };
    const { first, second, hasWaited } = await overlap(
      bench,
      /^insert into events/,
      (held) => ingestEvents(held, { accountId, now: NOW, deliveriesMax: 10, events: [event] }),
      (other) => eraseAccount(other, bench),
    );
    expect(hasWaited).toBe(true);
    expect(first).toMatchObject([{ duplicate: false, deliveryCount: 1 }]);
    expect(second).toMatchObject({ state: "completed", events: 1, deliveries: 1 });
    expect(await store.db.selectFrom("events").select("id").execute()).toEqual([]);
  });
});

async function eraseAccount(store: Store, { accountId }: Bench) {
  const { id } = await createErasure(store, { accountId, key: null, now: LATER });
  for (let n = 0; n < 20; n++) {
    const erasure = await advanceErasure(store, { id, now: LATER });
    if (erasure?.state === "completed") return erasure;
  }
  throw new Error("the erasure does not end");
}

onEachDatabase("once the erasure of an account was requested", (bench) => {
  test("a call that was authenticated before stores nothing for it, alone or in a group", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    await createErasure(store, { accountId, key: null, now: NOW });
    await expect(ingest()).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(subscribe()).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(
      createRecovery(store, {
        accountId,
        kind: "recover",
        subscriptionId: null,
        sinceAt: 0,
        untilAt: NOW,
        isDryRun: false,
        ratePerSecond: 1,
        now: NOW,
      }),
    ).rejects.toMatchObject({ code: "unauthenticated" });

    const neighbour = await createAccount(store, { name: "neighbour", now: NOW });
    const grouped = createIngest(store);
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    const calls = [accountId, neighbour.id].map((id) =>
      grouped({ accountId: id, now: NOW, deliveriesMax: 10, events: [event] }),
    );
    expect((await Promise.allSettled(calls)).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    const events = await store.db.selectFrom("events").select("account_id").execute();
    expect(events).toEqual([{ account_id: neighbour.id }]);
  });

  test("an attempt in flight is still recorded, with the operational event that it causes", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe({ eventTypes: ["invoice_sent", "delivery_exhausted"] });
    const { eventId } = await ingest();
    const [delivery] = await deliveriesOf(store, eventId);
    await createErasure(store, { accountId, key: null, now: NOW });
    const recorded = await recordAttempt(store, {
      deliveryId: delivery?.id as DeliveryId,
      attempt: attempt(),
      state: "exhausted",
      nextAttemptAt: null,
      endedReason: "the last",
      now: NOW,
    });
    expect(recorded).toMatchObject({ kind: "recorded" });
    expect(await eraseRest(store)).toMatchObject({ state: "completed", events: 2 });
  });
});

async function eraseRest(store: Store) {
  const { id } = await store.db.selectFrom("erasures").select("id").executeTakeFirstOrThrow();
  for (let n = 0; n < 20; n++) {
    const erasure = await advanceErasure(store, { id: id as never, now: LATER });
    if (erasure?.state === "completed") return erasure;
  }
  throw new Error("the erasure does not end");
}
