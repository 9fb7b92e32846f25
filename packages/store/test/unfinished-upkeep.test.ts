import { expect, test } from "vitest";
import { continueFanout, finishEnd, ingestEvents, measureUpkeep } from "../src/index.ts";
import { drainAll, NOW, onEachDatabase } from "./fixture.ts";

onEachDatabase("the count of unfinished upkeep", (bench) => {
  const none = { fan_out: 0, drain: 0, end: 0 };

  test("has a fan-out until its last delivery is created", async () => {
    const { store, accountId, subscribe } = bench();
    for (let n = 0; n < 3; n++) await subscribe({ targetUrl: `https://${n}.example/` });
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    const [made] = await ingestEvents(store, { accountId, now: NOW, deliveriesMax: 1, events: [event] });
    if (made === undefined) throw new Error("the ingest returned no event");
    const { eventId } = made;
    expect(await measureUpkeep(store)).toEqual({ ...none, fan_out: 1 });
    while ((await continueFanout(store, { eventId, now: NOW, deliveriesMax: 1 })).goesOn);
    expect(await measureUpkeep(store)).toEqual(none);
  });

  test("has the drains and ends of subscriptions until they are done", async () => {
    const { store, subscribe } = bench();
    const { id } = await subscribe();
    await store.db.updateTable("subscriptions").set({ draining: 1, ending: 1 }).execute();
    expect(await measureUpkeep(store)).toEqual({ ...none, drain: 1, end: 1 });
    await drainAll(store, NOW);
    expect(await measureUpkeep(store)).toEqual({ ...none, end: 1 });
    await finishEnd(store, { id, now: NOW });
    expect(await measureUpkeep(store)).toEqual(none);
  });
});
