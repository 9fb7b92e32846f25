import type { SubscriptionId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { transact } from "../src/database/transact.ts";
import {
  adoptStrays,
  closeStore,
  endSubscription,
  finishEnd,
  listDeliveries,
  listEnding,
  listParked,
  openStore,
  parkDelivery,
  pauseSubscription,
  type Store,
} from "../src/index.ts";
import { ingestEventsIn } from "../src/ingest/ingest-events.ts";
import { endIn } from "../src/lifecycle/end-subscription.ts";
import { type Bench, idsIn, NOW, onEachDatabase } from "./fixture.ts";
import { insertDeliveries } from "./many-rows.ts";

const ended = { reason: "asked for", now: NOW };
const ending = async (store: Store) => idsIn(await listEnding(store, { limit: 10 }));
const states = async ({ store, accountId }: Bench) =>
  (await listDeliveries(store, { accountId, limit: 500 })).map((delivery) => delivery.state);

/** Finishes the ends that upkeep would find, and returns in how many steps. */
async function finishAll(store: Store): Promise<number> {
  let steps = 0;
  for (const id of await ending(store)) {
    for (let goesOn = true; goesOn; steps++) goesOn = (await finishEnd(store, { id, now: NOW })).goesOn;
  }
  return steps;
}

onEachDatabase("the end of a subscription", (bench) => {
  test("is finished after a crash that left its deliveries open and its turn slots", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await insertDeliveries(store, [
      { count: 3, state: "pending", subscriptions: 1, first: id },
      { count: 3, state: "started", subscriptions: 1, first: id },
      { count: 3, state: "parked", subscriptions: 1, first: id },
      { count: 3, state: "succeeded", subscriptions: 1, first: id },
    ]);
    const slots = [1, 2].map((slot) => ({ subscription_id: id, account_id: accountId, slot, taken: 1 }));
    await store.db.insertInto("turn_slots").values(slots).execute();
    await transact(store, (tx) => endIn(tx, [id], ended.reason, NOW));
    expect(await ending(store)).toEqual([id]);
    await finishAll(store);
    expect((await states(bench())).sort()).toEqual([
      ...new Array(9).fill("cancelled"),
      ...new Array(3).fill("succeeded"),
    ]);
    expect(await store.db.selectFrom("turn_slots").selectAll().execute()).toEqual([]);
    expect(await ending(store)).toEqual([]);
  });

  test("cancels 5,000 deliveries at once, and leaves the others and thousands of slots to upkeep", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await insertDeliveries(store, [{ count: 5_700, state: "parked", subscriptions: 1, first: id }]);
    const slots = Array.from({ length: 1_100 }, (_, slot) => ({
      subscription_id: id,
      account_id: accountId,
      slot,
      taken: 1,
    }));
    await store.db.insertInto("turn_slots").values(slots).execute();
    await endSubscription(store, { accountId, id, ...ended });
    const { open } = await store.db
      .selectFrom("deliveries")
      .select((eb) => eb.fn.countAll().as("open"))
      .where("state", "=", "parked")
      .executeTakeFirstOrThrow();
    expect(Number(open)).toBe(700);
    // Two steps for the deliveries, and three for the slots.
    expect(await finishAll(store)).toBe(5);
    expect(await ending(store)).toEqual([]);
  });

  test("of which the caller hears is finished already if it has few deliveries", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await ingest();
    await endSubscription(store, { accountId, id, ...ended });
    expect(await states(bench())).toEqual(["cancelled"]);
    expect(await ending(store)).toEqual([]);
  });

  test("has nothing parked behind it that upkeep does not find", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await endSubscription(store, { accountId, id, ...ended });
    await insertDeliveries(store, [{ count: 1, state: "parked", subscriptions: 1, first: id }]);
    expect(await adopted(store)).toEqual([id]);
    expect(await adopted(store)).toEqual([]);
    await finishAll(store);
    expect(await states(bench())).toEqual(["cancelled"]);
    const attempt = { id: "dlv_none" as never, subscriptionId: id, number: 1, now: NOW };
    expect(await parkDelivery(store, attempt)).toBe("ended");
  });

  test("races an ingest that still saw the subscription paused, whose delivery is cancelled later", async () => {
    const { store, url, accountId, subscribe } = bench();
    // SQLite's writers take turns, so an ingest there is over before the end begins.
    if (store.seam.name === "sqlite") return;
    const { id } = await subscribe();
    await pauseSubscription(store, { accountId, id, now: NOW });
    const other = await openStore({ url });
    const ingesting = await other.db.startTransaction().execute();
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    await ingestEventsIn(other, ingesting, { accountId, now: NOW, deliveriesMax: 10, events: [event] });
    await endSubscription(store, { accountId, id, ...ended });
    expect(await ending(store)).toEqual([]);
    await ingesting.commit().execute();
    await closeStore(other);
    expect(await states(bench())).toEqual(["parked"]);
    expect(await adopted(store)).toEqual([id]);
    await finishAll(store);
    expect(await states(bench())).toEqual(["cancelled"]);
  });
});

async function adopted(store: Store): Promise<SubscriptionId[]> {
  const found: SubscriptionId[] = [];
  for (const id of idsIn(await listParked(store, { limit: 10 }))) {
    if (await adoptStrays(store, id)) found.push(id);
  }
  return found;
}
