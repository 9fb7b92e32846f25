import { MINUTE_MS } from "@posthaste/domain";
import { measureReads } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { newEventId } from "../src/database/ids.ts";
import { insertRows } from "../src/database/insert-rows.ts";
import { transact } from "../src/database/transact.ts";
import { closeStore, createAccount, hashKeyValues, listEvents, openStore, type Store } from "../src/index.ts";
import { type Bench, keyed, NOW, onEachDatabase } from "./fixture.ts";

/*
 * A list reads what is on its page, and for filters that no index has, a bounded number of events, however
 * many the account has. These tests limit the rows that the database reads, not the time that it takes.
 */

const LOTS = 20_000;
const AT_ONCE = 1_000;
const PAGE = 51;
/** Events that a test lets a list examine: more than were made in a minute, by which ids may be ahead. */
const EXAMINED = 1_000;
/** An index entry, its event, and what passes through temporary tables, for each event. */
const READ_PER_EVENT_MAX = 15;
/** Between two events. */
const EVERY_MS = 100;

/** Stores events of two accounts, most of which have one value, and a few another type. */
async function fill(store: Store, { accountId }: Bench): Promise<void> {
  const { id: other } = await createAccount(store, { name: "other", now: NOW });
  const [common] = await hashKeyValues(store, accountId, [keyed("4711")]);
  if (common === undefined) throw new Error("no hash");
  for (let from = 0; from < LOTS; from += AT_ONCE) {
    const events = Array.from({ length: AT_ONCE }, (_, i) => ({
      id: newEventId(NOW + (from + i) * EVERY_MS),
      account_id: (from + i) % 10 === 0 ? other : accountId,
      event_type: (from + i) % 5_000 === 1 ? "parcel_lost" : "invoice_sent",
      data: Buffer.from("{}"),
      created_at: NOW + (from + i) * EVERY_MS,
    }));
    const keys = events.map((row) => ({ account_id: row.account_id, value_hash: common, event_id: row.id }));
    await transact(store, async (tx) => {
      await insertRows(tx, "events", events);
      await insertRows(tx, "event_keys", keys);
    });
  }
}

onEachDatabase("a list among 20,000 events", (bench) => {
  test("reads no more than its page, or what it may examine", async () => {
    const { url, accountId } = bench();
    await fill(bench().store, bench());
    // One connection, whose counters measure only this.
    const store = await openStore({ url, poolSize: 1 });
    const [hash = Buffer.alloc(0)] = await hashKeyValues(store, accountId, [keyed("4711")]);
    const keyHashes = [hash, Buffer.alloc(hash.length)];
    const hour = { createdFrom: NOW + 5 * MINUTE_MS, createdBefore: NOW + 25 * MINUTE_MS };
    const half = newEventId(NOW + (LOTS / 2) * EVERY_MS);
    const reads = async (filter: object, expected: number) => {
      const { rows, plans } = await measureReads(store, async () => {
        const found = await listEvents(store, { accountId, limit: PAGE, examinedMax: EXAMINED, ...filter });
        expect(found.rows).toHaveLength(expected);
      });
      expect(plans.filter((plan) => /^SCAN (events|event_keys)\b/.test(plan))).toEqual([]);
      return rows;
    };
    const page = PAGE * READ_PER_EVENT_MAX;
    expect(await reads({}, PAGE)).toBeLessThan(page);
    expect(await reads({ before: half }, PAGE)).toBeLessThan(page);
    expect(await reads({ eventType: "invoice_sent", before: half }, PAGE)).toBeLessThan(page);
    expect(await reads({ eventType: "parcel_lost" }, 4)).toBeLessThan(page);
    expect(await reads({ keyHashes }, PAGE)).toBeLessThan(page);
    expect(await reads({ keyHashes, before: half }, PAGE)).toBeLessThan(page);
    expect(await reads({ keyHashes: [keyHashes[1]] }, 0)).toBeLessThan(page);
    const examined = EXAMINED * READ_PER_EVENT_MAX;
    expect(await reads({ keyHashes, eventType: "parcel_lost" }, 0)).toBeLessThan(examined);
    expect(await reads({ keyHashes, ...hour }, PAGE)).toBeLessThan(examined);
    expect(await reads(hour, PAGE)).toBeLessThan(examined);
    expect(await reads({ eventType: "parcel_lost", ...hour }, 2)).toBeLessThan(examined);
    await closeStore(store);
  });
});
