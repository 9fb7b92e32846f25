import type { AccountId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  closeStore,
  continueFanout,
  createAccount,
  ingestEvents,
  openStore,
  type Store,
} from "../src/index.ts";
import { NOW } from "./fixture.ts";
import { measureReads } from "./measure-reads.ts";

/*
 * A step of a wide fan-out reads a page of subscriptions and what belongs to them, however many the account
 * has. These tests limit the rows that the database reads, not the time that a step takes.
 */

const LOTS = 100_000;
const PER_STEP = 500;
/**
 * Each subscription of the page: its row, its event types, its URL's subscriptions, those that ended since,
 * and their deliveries.
 */
const READ_BY_STEP_MAX = 11 * PER_STEP;
/** The first 1,001 matches, then a walk of the first pages, and what the inserts read. */
const READ_BY_INGEST_MAX = 30_000;

let t: TestStore;
let store: Store;
let accountId: AccountId;

describe.each(["sqlite", "mysql"] as const)("an event for 100,000 subscriptions, on %s", (backend) => {
  beforeEach(async () => {
    t = await createTestStore(backend);
    // One connection: its session counters then count only what this test reads.
    store = await openStore({ url: t.url, poolSize: 1 });
    accountId = (await createAccount(store, { name: "first", now: NOW })).id;
    await subscribeLots(store, accountId);
  });
  afterEach(async () => {
    await closeStore(store);
    await t.dispose();
  });

  test("is ingested and fanned out by steps that read a bounded number of rows", async () => {
    let eventId = "" as Awaited<ReturnType<typeof ingestEvents>>[number]["eventId"];
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    const ingest = async () => {
      const [stored] = await ingestEvents(store, {
        accountId,
        now: NOW,
        deliveriesMax: 1_000,
        events: [event],
      });
      if (stored === undefined) throw new Error("nothing was stored");
      ({ eventId } = stored);
    };
    const ingested = await measureReads(store, ingest);
    expect(ingested.scans).toEqual([]);
    expect(ingested.rows).toBeLessThan(READ_BY_INGEST_MAX);
    // Half-way, when thousands of deliveries of the event exist.
    for (let n = 0; n < 8; n++) {
      const fannedOut = await measureReads(store, async () => {
        const step = await continueFanout(store, { eventId, now: NOW, deliveriesMax: PER_STEP });
        expect(step).toEqual({ made: PER_STEP, goesOn: true });
      });
      expect(fannedOut.scans).toEqual([]);
      expect(fannedOut.rows).toBeLessThan(READ_BY_STEP_MAX);
    }
  });
});

/** Inserts subscriptions that want the event, each with a URL of its own: the database generates them. */
async function subscribeLots({ db, seam }: Store, account: AccountId): Promise<void> {
  const digits = Array.from({ length: 10 }, (_, digit) => `select ${digit} as d`).join(" union all ");
  const places = [0, 1, 2, 3, 4].map((place) => `(${digits}) d${place}`).join(", ");
  const n = [0, 1, 2, 3, 4].map((place) => `${10 ** place} * d${place}.d`).join(" + ");
  const numbers = sql.raw(`(select ${n} as n from ${places}) as n where n.n < ${LOTS}`);
  const binary = sql.raw(seam.name === "mysql" ? "binary" : "blob");
  const hash = (filler: string) => sql`cast(substr(concat(${filler.repeat(32)}, n.n), -32) as ${binary})`;
  await sql`
    insert into subscriptions
      (account_id, target_url, target_hash, state, acceptance, key_set, created_at, updated_at)
    select ${account}, concat('https://receiver.example/', n.n), ${hash("u")}, 'active', 'OK_ONLY',
      concat('key set ', n.n), 0, 0 from ${numbers}`.execute(db);
  await sql`
    insert into subscription_event_types (subscription_id, account_id, event_type, live_key)
    select n.n + 1, ${account}, 'invoice_sent', ${hash("k")} from ${numbers}`.execute(db);
}
