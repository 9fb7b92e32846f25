import type { SubscriptionId } from "@posthaste/domain";
import { measureReads } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  advanceRecovery,
  closeStore,
  continueFanout,
  createRecovery,
  endSubscriptionsByUrl,
  listFanouts,
  listSubscriptions,
  openStore,
  type Store,
} from "../src/index.ts";
import { idsIn, NOW, onEachDatabase } from "./fixture.ts";

/*
 * Ended subscriptions are never deleted, and an integration platform may end thousands a day. What looks for
 * live ones must not read them.
 */

const ENDED = 5_000;
const URL = "https://receiver.example/churned";
/** Enough for a page of live subscriptions with what belongs to them. */
const READ_MAX = 1_000;

onEachDatabase("an account with thousands of ended subscriptions", (bench) => {
  let single: Store;
  beforeEach(async () => {
    const { store, url, subscribe } = bench();
    await subscribe({ targetUrl: URL });
    await endAgainAndAgain(store);
    for (let n = 0; n < 20; n++) await subscribe();
    await subscribe({ targetUrl: URL });
    single = await openStore({ url, poolSize: 1 });
  });
  afterEach(() => closeStore(single));

  test("reads none of them to find the live ones", async () => {
    const { accountId, ingest } = bench();
    const calls: Record<string, () => Promise<unknown>> = {
      "a list": async () =>
        expect(await listSubscriptions(single, { accountId, limit: 10 })).toHaveLength(10),
      "a list of failing ones": () => listSubscriptions(single, { accountId, limit: 10, failing: true }),
      "a list by event type": async () =>
        expect(
          await listSubscriptions(single, { accountId, limit: 50, eventType: "invoice_sent" }),
        ).toHaveLength(21),
      "an ingest that matches more than it serves": async () => {
        expect(await ingest({ through: single, deliveriesMax: 2 })).toMatchObject({ deliveryCount: 2 });
      },
      "a step of its fan-out": async () => {
        const [eventId = never()] = idsIn(await listFanouts(single, { limit: 1 }));
        const step = await continueFanout(single, { eventId, now: NOW, deliveriesMax: 30 });
        expect(step).toEqual({ made: 19, goesOn: false });
      },
      "the end of a URL's subscriptions": async () => {
        const asked = { accountId, targetUrl: URL, reason: "asked for", now: NOW };
        expect(await endSubscriptionsByUrl(single, asked)).toEqual({ ended: 1, known: true });
      },
    };
    for (const [what, call] of Object.entries(calls)) {
      const { rows, plans } = await measureReads(single, call);
      expect(rows, what).toBeLessThan(READ_MAX);
      // SQLite counts no rows; these indexes lead past the ended ones.
      const wide = plans.filter((plan) => / subscriptions\b/.test(plan) && !NARROW.test(plan));
      expect(wide, what).toEqual([]);
    }
  });

  test("examines some of those that ended after an event before it replays it to their URL", async () => {
    const { store, accountId, ingest, subscribe } = bench();
    const { id: subscriptionId } = await subscribe({ targetUrl: URL, eventTypes: ["*"] });
    await ingest({ eventType: "contact_created" });
    await store.db.deleteFrom("deliveries").execute();
    await store.db.updateTable("subscriptions").set({ ended_at: NOW }).where("state", "=", "ended").execute();
    const span = { sinceAt: NOW, untilAt: NOW + 1, now: NOW + 1 };
    const replay = { accountId, subscriptionId, isDryRun: false, ratePerSecond: 10, ...span };
    const { id } = await createRecovery(store, { kind: "replay", ...replay });
    const { rows, plans } = await measureReads(single, async () => {
      const step = await advanceRecovery(single, { id, limit: 10, now: NOW + 2 });
      expect(step).toMatchObject({ state: "completed", made: 1 });
    });
    expect(rows).toBeLessThan(READ_MAX);
    expect(plans.filter((plan) => / subscriptions\b/.test(plan) && !NARROW.test(plan))).toEqual([]);
  });
});

const NARROW =
  /\(rowid=\?\)|subscriptions_by_state \(account_id=\? AND state=\?|subscriptions_(ended_)?by_url \(/;

/** Inserts ended subscriptions on the same URL as the first one, whose row they copy. */
async function endAgainAndAgain({ db }: Store): Promise<void> {
  const digits = Array.from({ length: 10 }, (_, digit) => `select ${digit} as d`).join(" union all ");
  const places = [0, 1, 2, 3].map((place) => `(${digits}) d${place}`).join(", ");
  const n = [0, 1, 2, 3].map((place) => `${10 ** place} * d${place}.d`).join(" + ");
  await db
    .updateTable("subscriptions")
    .set({ state: "ended" })
    .where("id", "=", 1 as SubscriptionId)
    .execute();
  await db.updateTable("subscription_event_types").set({ removed_at: NOW, live_key: null }).execute();
  await sql`
    insert into subscriptions
      (account_id, target_url, target_hash, state, acceptance, key_set, created_at, updated_at, ended_at)
    select account_id, target_url, target_hash, 'ended', 'OK_ONLY', concat('key set ', n.n), 0, 0, 0
    from subscriptions, (select ${sql.raw(n)} as n from ${sql.raw(places)}) as n where n.n < ${ENDED}
  `.execute(db);
}

function never(): never {
  throw new Error("there is no fan-out");
}
