import type { AccountId, ErasureId, EventId } from "@posthaste/domain";
import { DAY_MS } from "@posthaste/domain";
import { silentLog } from "@posthaste/runtime";
import { recordAttempt } from "@posthaste/testkit";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { transact } from "../src/database/transact.ts";
import {
  advanceErasure,
  closeStore,
  createAccount,
  createErasure,
  createIngest,
  createTestDelivery,
  type EventToIngest,
  getEvent,
  hashKeyValues,
  indexedValues,
  listEvents,
  openMigratedStore,
  openStore,
  parseSealingKeys,
  resealSecrets,
  retain,
  type Store,
} from "../src/index.ts";
import { ingestCallsIn } from "../src/ingest/ingest-events.ts";
import { TOO_WIDE } from "../src/ingest/plan-ingest.ts";
import { attempt, deliveriesOf, keyed, NOW, onEachDatabase } from "./fixture.ts";

/** Returns the events with a value at a key, for a caller who does not know whether it is sensitive. */
async function find(store: Store, accountId: AccountId, value: string): Promise<EventId[]> {
  const keyHashes = await hashKeyValues(store, accountId, [keyed(value), keyed(value, true)]);
  const { rows } = await listEvents(store, { accountId, keyHashes, limit: 500 });
  return rows.map(({ id }) => id);
}

async function countKeys(store: Store): Promise<number> {
  return (await store.db.selectFrom("event_keys").selectAll().execute()).length;
}

/** As many values as an event may have. */
const EIGHT = [..."abcdefgh"].map((value) => keyed(value));

async function erase(store: Store, id: ErasureId): Promise<void> {
  while ((await advanceErasure(store, { id, now: NOW }))?.state === "running");
}

onEachDatabase("the index of keys", (bench) => {
  test("finds events by exactly a value, newest first, in their own account only", async () => {
    const { store, accountId, ingest } = bench();
    const { eventId: first } = await ingest({ keyed: [keyed("4711"), keyed("INV-7")] });
    const { eventId: second } = await ingest({ keyed: [keyed("4711"), keyed("INV-8")] });
    const { id: other } = await createAccount(store, { name: "other", now: NOW });
    const { eventId: theirs } = await ingest({ accountId: other, keyed: [keyed("4711")] });
    expect(await find(store, accountId, "4711")).toEqual([second, first]);
    expect(await find(store, accountId, "INV-7")).toEqual([first]);
    expect(await find(store, other, "4711")).toEqual([theirs]);
    for (const value of ["471", "4711 ", " 4711", "4711.0", "inv-7", ""]) {
      expect(await find(store, accountId, value)).toEqual([]);
    }
  });

  test("tells which values it has of an event, each as it was indexed", async () => {
    const { store, accountId, ingest } = bench();
    const { eventId: id } = await ingest({ keyed: [keyed("4711"), keyed("+44 117", true)] });
    await ingest({ keyed: [keyed("INV-8"), keyed("4711", true)] });
    const at = (pointer: string, value: string, sensitive = false) => ({ pointer, value, sensitive });
    const indexed = [at("/a", "4711"), at("/b", "+44 117", true), at("/c", "4711")];
    const others = [at("/d", "INV-8"), at("/a", "4711", true), at("/b", "+44 117")];
    const values = [...indexed, ...others];
    expect(await indexedValues(store, { accountId, id, values })).toEqual(indexed);
    expect(await indexedValues(store, { accountId, id, values: others })).toEqual([]);
    expect(await indexedValues(store, { accountId, id, values: [] })).toEqual([]);
  });

  test("stands beside the idempotency key, which an event keeps as it was sent", async () => {
    const { store, accountId, ingest } = bench();
    for (const key of ["order 7 ", `${"🐝".repeat(127)} `, null]) {
      const { eventId: id } = await ingest({ key });
      expect(await getEvent(store, { accountId, id })).toMatchObject({ idempotencyKey: key });
    }
  });

  test("finds sensitive values and others together, and an event with both once", async () => {
    const { store, accountId, ingest } = bench();
    const number = "+44 117 496 0000";
    const { eventId: first } = await ingest({ keyed: [keyed(number, true)] });
    const { eventId: second } = await ingest({ keyed: [keyed(number), keyed(number, true)] });
    const { eventId: third } = await ingest({ keyed: [keyed(number), keyed(number)] });
    expect(await find(store, accountId, number)).toEqual([third, second, first]);
  });

  test("holds the keys of every event that is stored, and of no other", async () => {
    const { store, accountId, subscribe } = bench();
    const { id: subscriptionId } = await subscribe();
    const keyHashes = await hashKeyValues(store, accountId, [keyed("4711")]);
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), keyHashes };
    const ingest = createIngest(store);
    const call = { accountId, now: NOW, deliveriesMax: 1_000 };
    const once = { ...call, events: [{ ...event, idempotencyKey: "once" }] };
    const [[stored], [again]] = [await ingest(once), await ingest(once)];
    expect(again).toMatchObject({ eventId: stored?.eventId, duplicate: true });
    expect(await countKeys(store)).toBe(1);
    const reused = { ...event, data: Buffer.from('{"b":2}'), idempotencyKey: "once" };
    const refused = { ...call, events: [{ ...event, idempotencyKey: "new" }, reused] };
    await expect(ingest(refused)).rejects.toThrow("different content");
    // Of more rows than a group takes, which gets a transaction of its own.
    const wide = Array.from({ length: 300 }, () => ({ ...event, idempotencyKey: null }));
    const ids = (await ingest({ ...call, events: wide })).map(({ eventId }) => eventId);
    const tested = await createTestDelivery(store, { ...event, accountId, subscriptionId, now: NOW });
    expect(await countKeys(store)).toBe(302);
    const newest = [tested?.eventId, ...ids.reverse(), stored?.eventId];
    expect(await find(store, accountId, "4711")).toEqual(newest);
  });

  test("finds what Posthaste itself reports, by the delivery and the event that it is about", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    const { eventId } = await ingest();
    const [delivery] = await deliveriesOf(store, eventId);
    if (delivery === undefined) throw new Error("there is no delivery");
    const record = {
      state: "exhausted",
      nextAttemptAt: null,
      endedReason: "the last one",
      now: NOW,
    } as const;
    await recordAttempt(store, { deliveryId: delivery.id, attempt: attempt(), ...record });
    const [reported] = await find(store, accountId, delivery.id);
    expect(reported && (await getEvent(store, { accountId, id: reported }))).toMatchObject({
      eventType: "delivery_exhausted",
    });
    expect(await find(store, accountId, eventId)).toEqual([reported]);
    expect(await find(store, accountId, String(delivery.subscription_id))).toContain(reported);
  });

  test("counts in what a call may write beside others: two rows as one event", async () => {
    const { store, accountId } = bench();
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    const keyHashes = await hashKeyValues(store, accountId, EIGHT);
    const settle = async (events: readonly EventToIngest[]) => {
      const call = { accountId, now: NOW, deliveriesMax: 10, events };
      const bounds = { rowsMax: 100, callRowsMax: 10 };
      return await transact(store, (tx) => ingestCallsIn(store, tx, [call], bounds));
    };
    const two = [event, event].map((one) => ({ ...one, keyHashes }));
    expect(await settle([...two, { ...event, keyHashes: [] }])).toEqual([{ result: TOO_WIDE }]);
    expect(await countKeys(store)).toBe(0);
    expect(await settle(two)).toMatchObject([{ result: [{ duplicate: false }, { duplicate: false }] }]);
    expect(await countKeys(store)).toBe(16);
  });

  test("is rid of an event's keys by an index, however small the table", async () => {
    const { store, ingest } = bench();
    await ingest({ keyed: EIGHT });
    const explain = sql.raw(store.seam.name === "sqlite" ? "explain query plan" : "explain");
    const plan = await sql`${explain} delete from event_keys where event_id in ('evt_1', 'evt_2')`.execute(
      store.db,
    );
    expect(JSON.stringify(plan.rows)).toContain("event_keys_by_event");
  });

  test("loses an event's keys when retention deletes the event", async () => {
    const { store, ingest } = bench();
    for (let n = 0; n < 201; n++) await ingest({ keyed: EIGHT });
    const { eventId: kept } = await ingest({ keyed: EIGHT, now: NOW + DAY_MS });
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      ({ cursor } = await retain(store, { kind: "events", before: NOW + DAY_MS, cursor }));
    }
    const left = await store.db.selectFrom("event_keys").select("event_id").distinct().execute();
    expect(left).toEqual([{ event_id: kept }]);
  });

  test("loses an event's keys when its data are erased, and all of an account's with the account", async () => {
    const { store, accountId, ingest } = bench();
    const { id: other } = await createAccount(store, { name: "other", now: NOW });
    await ingest({ accountId: other, keyed: EIGHT });
    await ingest({ json: '{"Email":"ada@example.com"}', keyed: [keyed("ada@example.com", true)] });
    const { eventId: bobs } = await ingest({ json: '{"Email":"bob@example.com"}', keyed: EIGHT });
    const key = { pointer: "/Email", value: "ada@example.com" };
    await erase(store, (await createErasure(store, { accountId, key, now: NOW })).id);
    expect(await find(store, accountId, "ada@example.com")).toEqual([]);
    expect(await find(store, accountId, "a")).toEqual([bobs]);
    expect(await countKeys(store)).toBe(16);
    await erase(store, (await createErasure(store, { accountId, key: null, now: NOW })).id);
    expect(await find(store, accountId, "a")).toEqual([]);
    expect(await countKeys(store)).toBe(8);
  });
});

onEachDatabase("the secret of sensitive keys", (bench) => {
  const OLD = `test:${Buffer.alloc(32, 7).toString("base64")}`;
  const NEW = `new:${Buffer.alloc(32, 9).toString("base64")}`;
  const hashThrough = async (store: Store, accountId: AccountId, isSensitive: boolean) => {
    const [hash] = await hashKeyValues(store, accountId, [keyed("x", isSensitive)]);
    return hash?.toString("hex");
  };

  test("is made once, however many processes need it at the same moment", async () => {
    const { store, url, accountId } = bench();
    const open = () => openStore({ url, secretKeys: parseSealingKeys(OLD) });
    const stores = await Promise.all([open(), open(), open()]);
    const hashes = await Promise.all([store, ...stores].map((one) => hashThrough(one, accountId, true)));
    expect(new Set(hashes).size).toBe(1);
    expect(hashes[0]).not.toBe(await hashThrough(store, accountId, false));
    for (const one of stores) await closeStore(one);
  });

  test("is not stored in the clear, nor are the values", async () => {
    const { store, ingest } = bench();
    await ingest({ json: "{}", keyed: [keyed("+44 117"), keyed("ada@example.com", true)] });
    const secret = await store.keySecret();
    const { key_secret: sealed } = await store.db
      .selectFrom("installation")
      .select("key_secret")
      .executeTakeFirstOrThrow();
    const stored = [
      sealed,
      ...(await store.db.selectFrom("event_keys").select("value_hash").execute()).map(
        (row) => row.value_hash,
      ),
    ];
    const text = stored.map((bytes) => bytes?.toString("latin1")).join("\n");
    for (const clear of [
      secret.toString("base64"),
      secret.toString("latin1"),
      "+44 117",
      "ada@example.com",
    ]) {
      expect(text).not.toContain(clear);
    }
  });

  test("survives new sealing keys: events from before are found after the old key is gone", async () => {
    const { store, url, accountId, ingest } = bench();
    const { eventId } = await ingest({ keyed: [keyed("+44 117", true)] });
    const rotating = await openStore({ url, secretKeys: parseSealingKeys(`${NEW},${OLD}`) });
    expect(await resealSecrets(rotating, { now: NOW })).toBe(1);
    expect(await resealSecrets(rotating, { now: NOW })).toBe(0);
    await closeStore(rotating);
    const rotated = await openStore({ url, secretKeys: parseSealingKeys(NEW) });
    expect(await find(rotated, accountId, "+44 117")).toEqual([eventId]);
    await closeStore(rotated);
    const started = openMigratedStore({ url, secretKeys: parseSealingKeys(OLD) }, silentLog);
    await expect(started).rejects.toThrow(
      /the key new, which .* set the keys that this database was used with/,
    );
    // One that has read it before goes on.
    expect(await find(store, accountId, "+44 117")).toEqual([eventId]);
  });
});
