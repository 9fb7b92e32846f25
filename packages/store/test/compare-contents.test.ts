import { type AccountId, EVENT_DATA_BYTES_MAX, Refusal } from "@posthaste/domain";
import { expect, test } from "vitest";
import { transact } from "../src/database/transact.ts";
import { createAccount, createIngest, type IngestCall, type InTurn, ingestEvents } from "../src/index.ts";
import { Uncompared } from "../src/ingest/compare-contents.ts";
import { ingestCallsIn } from "../src/ingest/ingest-events.ts";
import { NOW, onEachDatabase } from "./fixture.ts";

const KEY = "k";
const call = (accountId: AccountId, texts: readonly string[], inTurn?: InTurn): IngestCall => ({
  accountId,
  now: NOW,
  deliveriesMax: 10,
  events: texts.map((json) => ({
    eventType: "invoice_sent",
    data: Buffer.from(json),
    idempotencyKey: KEY,
  })),
  inTurn,
});

/** Computes at once, and counts how much is looked at each time. */
const counting = (bytes: number[]): InTurn => {
  return async (size, compute) => {
    bytes.push(size);
    return await compute();
  };
};

onEachDatabase("a used idempotency key that comes with other bytes", (bench) => {
  test("is compared while events of other accounts are stored", async () => {
    const { store, accountId } = bench();
    const other = await createAccount(store, { name: "other", now: NOW });
    const ingest = createIngest(store);
    const [first] = await ingest(call(accountId, ['{"a":1}']));
    let stored = 0;
    const inTurn: InTurn = async (_bytes, compute) => {
      await ingest(call(other.id, [`{"a":1}`]));
      stored += 1;
      return await compute();
    };
    expect(await ingest(call(accountId, ['{ "a":1 }'], inTurn))).toEqual([{ ...first, duplicate: true }]);
    expect(stored).toBeGreaterThan(0);
  });

  test("is not compared if the bytes are the same", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    const bytes: number[] = [];
    await ingest(call(accountId, ['{"a":1}'], counting(bytes)));
    await ingest(call(accountId, ['{"a":1}', '{"a":1}'], counting(bytes)));
    expect(bytes).toEqual([]);
  });

  test("is read and parsed once, however many spellings a call has", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    const first = `{"a":${" ".repeat(1_000)}1}`;
    await ingest(call(accountId, [first]));
    const bytes: number[] = [];
    const spellings = Array.from({ length: 20 }, (_, i) => `{"a":${" ".repeat(i)}1}`);
    const results = await ingest(call(accountId, [...spellings, ...spellings], counting(bytes)));
    expect(results.every(({ duplicate }) => duplicate)).toBe(true);
    const expected = [EVENT_DATA_BYTES_MAX, first.length, ...spellings.map(({ length }) => length)];
    expect(bytes.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
  });

  test("within one call is parsed once for each spelling, and nothing is stored before", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    const bytes: number[] = [];
    const texts = ['{"a":1}', '{ "a":1}', '{"a":1 }', '{ "a":1}'];
    const results = await ingest(call(accountId, texts, counting(bytes)));
    expect(results.map(({ duplicate }) => duplicate)).toEqual([false, true, true, true]);
    expect(bytes).toEqual([8, 7, 8]);
    const events = await store.db.selectFrom("events").select("id").execute();
    expect(events).toMatchObject([{ id: results[0]?.eventId }]);
  });

  test("is refused if its account's turn does not come", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    await ingest(call(accountId, ['{"a":1}']));
    const refused = new Refusal("too_many", "later");
    const inTurn: InTurn = () => Promise.reject(refused);
    await expect(ingest(call(accountId, ['{ "a":1 }'], inTurn))).rejects.toBe(refused);
    expect(await ingest(call(accountId, ['{"a":1}']))).toMatchObject([{ duplicate: true }]);
  });

  test("is parsed once, however many calls come with it at the same time", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    await ingest(call(accountId, ['{"a":1}']));
    const bytes: number[] = [];
    await Promise.all(
      Array.from({ length: 5 }, () => ingest(call(accountId, ['{ "a":1 }'], counting(bytes)))),
    );
    bytes.splice(0);
    await ingest(call(accountId, ['{ "a":1  }'], counting(bytes)));
    expect(bytes).toEqual(['{ "a":1  }'.length]);
  });

  test("is stored if the key expires while it waits to be compared", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    const [first] = await ingest(call(accountId, ['{"a":1}']));
    const inTurn: InTurn = async (_bytes, compute) => {
      await store.db.deleteFrom("idempotency_keys").execute();
      await store.db.deleteFrom("events").execute();
      return await compute();
    };
    const [second] = await ingest(call(accountId, ['{ "a":2 }'], inTurn));
    expect(second).toMatchObject({ duplicate: false });
    expect(second?.eventId).not.toBe(first?.eventId);
  });

  test("is refused if its event is gone and the key is not", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    await ingest(call(accountId, ['{"a":1}']));
    await store.db.deleteFrom("events").execute();
    await expect(ingest(call(accountId, ['{ "a":1 }']))).rejects.toMatchObject({
      code: "already_exists",
      message: expect.stringContaining("for an event that has been deleted"),
    });
  });

  test("counts among the rows of its transaction, for which others wait", async () => {
    const { store, accountId } = bench();
    const other = await createAccount(store, { name: "other", now: NOW });
    await ingestEvents(store, call(accountId, ['{"a":1}']));
    const wide = call(accountId, ['{ "a":1 }']);
    const more = Array.from({ length: 10 }, () => ({
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      idempotencyKey: null,
    }));
    const calls = [{ ...wide, events: [...more, ...wide.events] }, call(other.id, ["{}"])];
    const bounds = { rowsMax: 10, callRowsMax: 100 };
    const settled = await transact(store, (tx) => ingestCallsIn(store, tx, calls, bounds));
    expect(settled).toEqual([{ result: expect.any(Uncompared) }]);
  });

  test("is refused by the first event whose content differs", async () => {
    const { store, accountId } = bench();
    const ingest = createIngest(store);
    await ingest(call(accountId, ['{"a":1}']));
    await expect(ingest(call(accountId, ['{"a":1}', '{ "a":1}', '{"a":2}', "{}"]))).rejects.toMatchObject({
      code: "already_exists",
      field: "events[2].idempotency_key",
    });
  });
});
