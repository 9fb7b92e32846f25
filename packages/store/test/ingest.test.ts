import { Refusal, type SubscriptionId } from "@posthaste/domain";
import { loadForAttempt } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  closeStore,
  continueFanout,
  createAccount,
  endSubscription,
  ingestEvents,
  openStore,
  updateSubscription,
} from "../src/index.ts";
import { deliveriesOf, idsOf, NOW, onEachDatabase } from "./fixture.ts";

const count = async (
  store: Parameters<typeof deliveriesOf>[0],
  table: "events" | "deliveries" | "fanouts",
) => {
  const { n } = await store.db
    .selectFrom(table)
    .select((eb) => eb.fn.countAll().as("n"))
    .executeTakeFirstOrThrow();
  return Number(n);
};

onEachDatabase("an ingest", (bench) => {
  test("creates a delivery for each subscription that wants the event, and for no other", async () => {
    const { store, subscribe, ingest } = bench();
    const exact = await subscribe();
    const wildcard = await subscribe({ eventTypes: ["*"] });
    await subscribe({ eventTypes: ["contact_created"] });
    const ended = await subscribe();
    await endSubscription(store, { accountId: ended.accountId, id: ended.id, reason: "test", now: NOW });
    const other = await createAccount(store, { name: "other", now: NOW });
    await subscribe({ accountId: other.id });

    const event = await ingest();
    expect(event).toMatchObject({ deliveryCount: 2, duplicate: false });
    const rows = await deliveriesOf(store, event.eventId);
    expect(idsOf(rows)).toEqual([exact.id, wildcard.id]);
    expect(rows.map((row) => row.state)).toEqual(["pending", "pending"]);
  });

  test("reaches each URL once, and prefers an active subscription to a paused one", async () => {
    const { store, subscribe, ingest } = bench();
    const targetUrl = "https://receiver.example/same";
    const paused = await subscribe({ targetUrl, eventTypes: ["invoice_sent"] });
    const active = await subscribe({ targetUrl, eventTypes: ["*"] });
    await store.db
      .updateTable("subscriptions")
      .set({ state: "paused" })
      .where("id", "=", paused.id)
      .execute();
    const first = await ingest();
    expect(await deliveriesOf(store, first.eventId)).toMatchObject([
      { subscription_id: active.id, state: "pending" },
    ]);

    await store.db
      .updateTable("subscriptions")
      .set({ state: "disabled" })
      .where("id", "=", active.id)
      .execute();
    const second = await ingest();
    expect(await deliveriesOf(store, second.eventId)).toMatchObject([
      { subscription_id: paused.id, state: "parked" },
    ]);
  });

  test("keeps the snapshot byte for byte", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    const json = String.raw`{ "n":12345678901234567890, "d" : 1.10,"u":"\u00e9 é 🚀 \u0000" }`;
    const { eventId } = await ingest({ json });
    const [row] = await deliveriesOf(store, eventId);
    const context = await loadForAttempt(store, row?.id as never, NOW);
    expect(Buffer.from(context?.body ?? []).equals(Buffer.from(`[${json}]`))).toBe(true);
  });

  test("accepts four events of a megabyte each", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe();
    const data = Buffer.from(`{"x":"${"é".repeat(500_000)}"}`);
    const events = [1, 2, 3, 4].map(() => ({
      eventType: "invoice_sent",
      data,
      idempotencyKey: null,
    }));
    await ingestEvents(store, { accountId, now: NOW, deliveriesMax: 100, events });
    const rows = await store.db.selectFrom("events").select("data").execute();
    expect(rows.map((row) => row.data.equals(data))).toEqual([true, true, true, true]);
  });

  test("stores a thousand events or none of them", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    await ingest({ key: "taken", json: '{"other":1}' });
    const events = Array.from({ length: 1_000 }, (_, i) => ({
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      idempotencyKey: i === 999 ? "taken" : `key-${i}`,
    }));
    await expect(
      ingestEvents(store, { accountId, now: NOW, deliveriesMax: 2_000, events }),
    ).rejects.toMatchObject({
      code: "already_exists",
      field: "events[999].idempotency_key",
    });
    expect(await count(store, "events")).toBe(1);
    await ingestEvents(store, { accountId, now: NOW, deliveriesMax: 2_000, events: events.slice(0, 999) });
    expect(await count(store, "events")).toBe(1_000);
    expect(await count(store, "deliveries")).toBe(1_000);
  });
});

onEachDatabase("an idempotency key", (bench) => {
  test("used again with the same content returns the first event and stores nothing", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    const first = await ingest({ key: "k" });
    await subscribe();
    expect(await ingest({ key: "k" })).toEqual({ ...first, duplicate: true });
    expect(await count(store, "events")).toBe(1);
  });

  test("used again with other content is refused", async () => {
    const { store, ingest } = bench();
    await ingest({ key: "k" });
    await expect(ingest({ key: "k", json: '{"a":2}' })).rejects.toBeInstanceOf(Refusal);
    expect(await count(store, "events")).toBe(1);
  });

  test("ignores JSON spelling: equal content returns the first event, even within one batch", async () => {
    const { store, accountId, ingest } = bench();
    const first = await ingest({ key: "k", json: '{"a":1.10,"b":"é"}' });
    const respelled = String.raw`{ "b":"\u00e9", "a":11e-1 }`;
    expect(await ingest({ key: "k", json: respelled })).toEqual({ ...first, duplicate: true });
    const event = (json: string) => ({
      eventType: "invoice_sent",
      data: Buffer.from(json),
      idempotencyKey: "within a batch",
    });
    const [one, two] = await ingestEvents(store, {
      accountId,
      now: NOW,
      deliveriesMax: 10,
      events: [event('{"a":1,"b":2}'), event('{"b":2,"a":1.0}')],
    });
    expect(two).toEqual({ ...one, duplicate: true });
    await expect(ingest({ key: "k", json: '{"a":1.10,"b":"e"}' })).rejects.toBeInstanceOf(Refusal);
    await expect(
      ingest({ key: "k", json: '{"a":1.10,"b":"é"}', eventType: "invoice_paid" }),
    ).rejects.toBeInstanceOf(Refusal);
    expect(await count(store, "events")).toBe(2);
  });

  test("of a deleted event accepts the same bytes only: others cannot be compared", async () => {
    const { store, ingest } = bench();
    const first = await ingest({ key: "k", json: '{"a":1}' });
    await store.db.deleteFrom("events").execute();
    expect(await ingest({ key: "k", json: '{"a":1}' })).toEqual({ ...first, duplicate: true });
    await expect(ingest({ key: "k", json: '{ "a":1}' })).rejects.toThrow("an event that has been deleted");
    expect(await count(store, "events")).toBe(0);
  });

  test("belongs to one account, and every space, letter case and accent counts", async () => {
    const { store, ingest } = bench();
    const other = await createAccount(store, { name: "other", now: NOW });
    const events = [
      await ingest({ key: "k" }),
      await ingest({ key: "k " }),
      await ingest({ key: "K" }),
      await ingest({ key: "ḱ" }),
      await ingest({ key: "k", accountId: other.id }),
    ];
    expect(events.map((event) => event.duplicate)).toEqual([false, false, false, false, false]);
  });

  test("used twice in one batch creates one event", async () => {
    const { store, accountId } = bench();
    const event = {
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      idempotencyKey: "k",
    };
    const [first, second] = await ingestEvents(store, {
      accountId,
      now: NOW,
      deliveriesMax: 10,
      events: [event, event],
    });
    expect(second).toEqual({ ...first, duplicate: true });
    expect(await count(store, "events")).toBe(1);
  });

  test("in 50 concurrent calls through two stores creates one event for all", async () => {
    const { store, url, subscribe, ingest } = bench();
    await subscribe();
    const second = await openStore({ url });
    try {
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, i) => ingest({ key: "k", through: i % 2 === 0 ? store : second })),
      );
      expect(new Set(results.map((result) => result.eventId)).size).toBe(1);
      expect(results.filter((result) => !result.duplicate)).toHaveLength(1);
      expect(await count(store, "events")).toBe(1);
      expect(await count(store, "deliveries")).toBe(1);
    } finally {
      await closeStore(second);
    }
  });
});

onEachDatabase("a fan-out wider than one call's limit", (bench) => {
  test("is finished by two workers at once, with the subscriptions as of the ingest, each once", async () => {
    const { store, url, accountId, subscribe, ingest } = bench();
    const wide: SubscriptionId[] = [];
    for (let i = 0; i < 60; i++) wide.push((await subscribe({ targetUrl: `https://wide.example/${i}` })).id);
    const event = await ingest({ deliveriesMax: 20 });
    expect(event.deliveryCount).toBe(20);
    const served = new Set(idsOf(await deliveriesOf(store, event.eventId)));

    // Before the fan-out continues, ten subscribe, one ends, and one no longer wants this event type.
    for (let i = 0; i < 10; i++) await subscribe({ targetUrl: `https://wide.example/later/${i}` });
    const [ended, changed] = wide.filter((id) => !served.has(id));
    if (ended === undefined || changed === undefined) throw new Error("no subscription is left");
    await endSubscription(store, { accountId, id: ended, reason: "test", now: NOW + 1 });
    await updateSubscription(store, {
      accountId,
      id: changed,
      eventTypes: ["contact_created"],
      now: NOW + 1,
    });

    const second = await openStore({ url });
    try {
      const drain = async (through: typeof store) => {
        while ((await count(store, "fanouts")) > 0)
          await continueFanout(through, { eventId: event.eventId, now: NOW + 2, deliveriesMax: 7 });
      };
      await Promise.all([drain(store), drain(second)]);
    } finally {
      await closeStore(second);
    }
    const reached = idsOf(await deliveriesOf(store, event.eventId));
    expect(reached).toEqual(wide.filter((id) => id !== ended));
  });

  test("leaves no row behind if the limit is exactly enough", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await subscribe();
    await ingest({ deliveriesMax: 2 });
    expect(await count(store, "fanouts")).toBe(0);
  });
});
