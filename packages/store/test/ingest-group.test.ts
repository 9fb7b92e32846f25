import { type AccountId, Refusal } from "@posthaste/domain";
import { expect, test } from "vitest";
import {
  closeStore,
  createAccount,
  createIngest,
  type IngestCall,
  openStore,
  type Store,
} from "../src/index.ts";
import { NOW, onEachDatabase } from "./fixture.ts";

type Event = { json?: string; key?: string; eventType?: string };

/** Builds a call with these events. */
const call = (accountId: AccountId, events: readonly Event[], deliveriesMax = 1_000): IngestCall => ({
  accountId,
  now: NOW,
  deliveriesMax,
  events: events.map(({ json = "{}", key = null, eventType = "invoice_sent" }) => ({
    eventType,
    data: Buffer.from(json),
    idempotencyKey: key,
  })),
});

const count = async (
  store: Store,
  table: "events" | "deliveries" | "delivery_changes" | "idempotency_keys",
) => {
  const { n } = await store.db
    .selectFrom(table)
    .select((eb) => eb.fn.countAll().as("n"))
    .executeTakeFirstOrThrow();
  return Number(n);
};

const statusOf = (settled: readonly PromiseSettledResult<unknown>[]) => settled.map((one) => one.status);

onEachDatabase("concurrent ingest calls", (bench) => {
  test("are stored for their own accounts, with their deliveries and changes", async () => {
    const { store, accountId, subscribe } = bench();
    const other = await createAccount(store, { name: "other", now: NOW });
    await subscribe();
    await subscribe({ accountId: other.id });
    await subscribe({ accountId: other.id, eventTypes: ["*"] });
    const ingest = createIngest(store);
    const results = await Promise.all([
      ingest(call(accountId, [{}])),
      ingest(call(other.id, [{}, { eventType: "contact_created" }])),
      ingest(call(accountId, [{ eventType: "contact_created" }])),
    ]);
    expect(results.map((events) => events.map((event) => event.deliveryCount))).toEqual([[1], [2, 1], [0]]);
    const rows = await store.db
      .selectFrom("deliveries as d")
      .innerJoin("events as e", "e.id", "d.event_id")
      .innerJoin("delivery_changes as c", "c.delivery_id", "d.id")
      .select([
        "d.account_id",
        "e.account_id as of_event",
        "c.account_id as of_change",
        "c.state",
        "c.attempts",
      ])
      .execute();
    expect(rows).toHaveLength(4);
    for (const row of rows) {
      expect([row.of_event, row.of_change]).toEqual([row.account_id, row.account_id]);
      expect(row).toMatchObject({ state: "pending", attempts: 0 });
    }
  });

  test("with one key and equal content get one event; a call with other content is refused", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    const settled = await Promise.allSettled([
      ingest(call(accountId, [{ key: "k", json: '{"a":1}' }])),
      ingest(call(accountId, [{ key: "k", json: '{ "a":1.0 }' }])),
      ingest(call(accountId, [{ key: "new" }, { key: "k", json: '{"a":2}' }])),
      ingest(call(accountId, [{ key: "new", json: '{"a":3}' }])),
    ]);
    expect(statusOf(settled)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    const [first, again, refused, later] = settled;
    expect(again).toMatchObject({
      value: [{ ...(first?.status === "fulfilled" ? first.value[0] : {}), duplicate: true }],
    });
    expect(refused?.status === "rejected" && refused.reason).toBeInstanceOf(Refusal);
    // The refused call stored neither its other event nor that event's key.
    expect(later).toMatchObject({ value: [{ duplicate: false }] });
    expect(await count(store, "events")).toBe(2);
    expect(await count(store, "idempotency_keys")).toBe(2);
  });

  test("succeed even if the database rejects one of them", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    const poison = { ...call(accountId, [{}]), now: "no number" as unknown as number };
    const settled = await Promise.allSettled([
      ingest(call(accountId, [{ key: "a" }])),
      ingest(poison),
      ingest(call(accountId, [{ key: "b" }])),
    ]);
    expect(statusOf(settled)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await count(store, "events")).toBe(2);
  });

  test("are all stored if they exceed one transaction", async () => {
    const { store, accountId, subscribe } = bench();
    for (let i = 0; i < 30; i++) await subscribe();
    const ingest = createIngest(store);
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, i) => ingest(call(accountId, [{ key: `${i % 290}` }]))),
    );
    const ids = new Set(results.map(([event]) => event?.eventId));
    expect(ids.size).toBe(290);
    expect(results.flat().filter((event) => event.duplicate)).toHaveLength(10);
    expect(await count(store, "deliveries")).toBe(290 * 30);
    expect(await count(store, "delivery_changes")).toBe(290 * 30);
  });

  test("of an operator who acts in an account wait in the operator's turns, not in the account's", async () => {
    const { store, accountId } = bench();
    const operator = await createAccount(store, { name: "operator", now: NOW });
    const ingest = createIngest(store);
    let stored = 0;
    const acting = Array.from({ length: 1_000 }, async () => {
      await ingest({ ...call(accountId, [{}]), chargedTo: operator.id });
      stored += 1;
    });
    await ingest(call(accountId, [{}]));
    // A group has 256 calls. At the end of one line, it would be behind all of them.
    expect(stored).toBeLessThan(600);
    await Promise.all(acting);
  });

  test("of two processes with the same keys in opposite order create one event for each key", async () => {
    const { store, url, accountId } = bench();
    const second = await openStore({ url });
    try {
      const [here, there] = [createIngest(store), createIngest(second)];
      const keys = Array.from({ length: 200 }, (_, i) => `key-${i}`);
      const [a, b] = await Promise.all([
        Promise.all(keys.map((key) => here(call(accountId, [{ key }])))),
        Promise.all([...keys].reverse().map((key) => there(call(accountId, [{ key }])))),
      ]);
      const idsOf = (events: typeof a) => events.map(([event]) => event?.eventId);
      expect(idsOf(a)).toEqual(idsOf(b).reverse());
      const stored = [...a, ...b].flat().filter((event) => !event.duplicate);
      expect(stored).toHaveLength(200);
      expect(await count(store, "events")).toBe(200);
    } finally {
      await closeStore(second);
    }
  });

  test("with many events each are stored whole or not at all", async () => {
    const { store, accountId, subscribe, ingest: alone } = bench();
    await subscribe();
    await alone({ key: "taken", json: '{"other":1}' });
    const ingest = createIngest(store);
    const batch = (name: string, last: string) =>
      ingest(
        call(accountId, [...Array.from({ length: 99 }, (_, i) => ({ key: `${name}-${i}` })), { key: last }]),
      );
    const settled = await Promise.allSettled([batch("a", "a-99"), batch("b", "taken"), batch("c", "c-99")]);
    expect(statusOf(settled)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(settled[1]).toMatchObject({
      reason: { code: "already_exists", field: "events[99].idempotency_key" },
    });
    expect(await count(store, "events")).toBe(201);
    expect(await count(store, "deliveries")).toBe(201);
  });
});
