import type { EventId } from "@posthaste/domain";
import { DAY_MS, MINUTE_MS } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createAccount, hashKeyValues, listEvents, type Store } from "../src/index.ts";
import { type Bench, keyed, NOW, onEachDatabase } from "./fixture.ts";

type Filter = Omit<Parameters<typeof listEvents>[1], "accountId" | "limit"> & { readonly value?: string };

async function list({ store, accountId }: Bench, { value, ...filter }: Filter = {}): Promise<EventId[]> {
  const keyHashes = value === undefined ? {} : { keyHashes: await hashesOf(store, value) };
  const { rows } = await listEvents(store, { accountId, limit: 100, ...filter, ...keyHashes });
  return rows.map(({ id }) => id);
  async function hashesOf(of: Store, text: string) {
    return await hashKeyValues(of, accountId, [keyed(text), keyed(text, true)]);
  }
}

onEachDatabase("a list of events", (bench) => {
  test("has each event's type, time and size, newest first", async () => {
    const { store, accountId, ingest } = bench();
    const { eventId: first } = await ingest({ json: '{"name":"é"}' });
    const { eventId: second } = await ingest({ eventType: "contact_created", now: NOW + 1 });
    expect(await listEvents(store, { accountId, limit: 10 })).toEqual({
      rows: [
        { id: second, eventType: "contact_created", createdAt: NOW + 1, dataBytes: 7 },
        { id: first, eventType: "invoice_sent", createdAt: NOW, dataBytes: 13 },
      ],
      examinedTo: undefined,
    });
    const { id: other } = await createAccount(store, { name: "other", now: NOW });
    expect(await listEvents(store, { accountId: other, limit: 10 })).toMatchObject({ rows: [] });
  });

  test("is narrowed by any combination of filters", async () => {
    const b = bench();
    const at = (day: number) => NOW + day * DAY_MS;
    const make = async (now: number, eventType: string, value: string, key: string) =>
      (await b.ingest({ now, eventType, keyed: [keyed(value, value === "b")], key })).eventId;
    const one = await make(at(0), "invoice_sent", "a", "1");
    const two = await make(at(1), "contact_created", "a", "2");
    const three = await make(at(2), "invoice_sent", "b", "3");
    const four = await make(at(3), "invoice_sent", "a", "4");
    const invoices = { eventType: "invoice_sent" };
    expect(await list(b)).toEqual([four, three, two, one]);
    expect(await list(b, invoices)).toEqual([four, three, one]);
    expect(await list(b, { value: "a" })).toEqual([four, two, one]);
    expect(await list(b, { value: "b" })).toEqual([three]);
    expect(await list(b, { value: "a", ...invoices })).toEqual([four, one]);
    expect(await list(b, { createdFrom: at(1), createdBefore: at(3) })).toEqual([three, two]);
    expect(await list(b, { createdFrom: at(1), createdBefore: at(3), ...invoices })).toEqual([three]);
    expect(await list(b, { createdFrom: at(1), value: "a" })).toEqual([four, two]);
    expect(await list(b, { createdBefore: at(3), value: "a", ...invoices })).toEqual([one]);
    expect(await list(b, { before: three })).toEqual([two, one]);
    expect(await list(b, { before: three, value: "a" })).toEqual([two, one]);
    expect(await list(b, { idempotencyKey: "2" })).toEqual([two]);
    expect(await list(b, { idempotencyKey: "2", value: "a", createdFrom: at(1) })).toEqual([two]);
    for (const narrower of [{ value: "b" }, invoices, { createdFrom: at(2) }, { before: two }]) {
      expect(await list(b, { idempotencyKey: "2", ...narrower })).toEqual([]);
    }
    expect(await list(b, { idempotencyKey: "5" })).toEqual([]);
    expect(await list(b, { ...invoices, eventType: "invoice" })).toEqual([]);
  });

  test("goes by the exact time of an event, from which its id's may differ", async () => {
    const b = bench();
    // Ids do not go back with a clock that does so for a moment.
    const late = await b.ingest({ now: NOW + MINUTE_MS / 2 });
    const early = await b.ingest({ now: NOW + MINUTE_MS / 2 - 1 });
    expect(early.eventId > late.eventId).toBe(true);
    expect(await list(b, { createdFrom: NOW + MINUTE_MS / 2 })).toEqual([late.eventId]);
    expect(await list(b, { createdBefore: NOW + MINUTE_MS / 2 })).toEqual([early.eventId]);
  });

  test("examines a bounded number of events with a key for a rare type, and goes on where it ended", async () => {
    const { store, accountId, ingest } = bench();
    const key = keyed("4711");
    const { eventId: oldest } = await ingest({ eventType: "contact_created", keyed: [key] });
    for (let n = 0; n < 24; n++) await ingest({ keyed: [n % 2 === 0 ? key : keyed("4711", true)] });
    const keyHashes = await hashKeyValues(store, accountId, [key, keyed("4711", true)]);
    const rare = { accountId, eventType: "contact_created", keyHashes, limit: 5, examinedMax: 10 };
    const pages: EventId[][] = [];
    let page: { before?: EventId } | undefined = {};
    while (page !== undefined) {
      const { rows, examinedTo } = await listEvents(store, { ...rare, ...page });
      pages.push(rows.map(({ id }) => id));
      page = examinedTo && { before: examinedTo };
    }
    expect(pages).toEqual([[], [], [oldest]]);
  });

  test("has every event on one page of several, whatever the filter", async () => {
    const { store, accountId, ingest } = bench();
    const made: EventId[] = [];
    for (let n = 0; n < 11; n++) made.unshift((await ingest({ keyed: [keyed("a", n % 3 === 0)] })).eventId);
    const keyHashes = await hashKeyValues(store, accountId, [keyed("a"), keyed("a", true)]);
    for (const filter of [{}, { eventType: "invoice_sent" }, { keyHashes }, { createdFrom: NOW }]) {
      const seen: EventId[] = [];
      for (let more = true; more; ) {
        const before = seen.at(-1);
        const page = { accountId, limit: 4, ...filter, ...(before === undefined ? {} : { before }) };
        const { rows } = await listEvents(store, page);
        seen.push(...rows.map(({ id }) => id));
        more = rows.length === 4;
      }
      expect(seen).toEqual(made);
    }
  });
});
