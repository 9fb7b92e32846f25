import type { SubscriptionId, SubscriptionState } from "@posthaste/domain";
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

const COPIES = 5_000;
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

onEachDatabase("an account with thousands of live subscriptions on one URL", (bench) => {
  test("replays few events in a step, each of which it looks up for each of them", async () => {
    const { store, accountId, ingest, subscribe } = bench();
    for (let n = 0; n < 50; n++) await ingest({ now: NOW + n });
    const { id: subscriptionId } = await subscribe({ targetUrl: URL });
    // They may have had another URL when the events were created.
    await copyFirst(store, { state: "active", updatedAt: NOW + 60, endedAt: null });
    const span = { sinceAt: NOW, untilAt: NOW + 50, now: NOW + 70 };
    const replay = { accountId, subscriptionId, isDryRun: true, ratePerSecond: 1_000, ...span };
    const { id } = await createRecovery(store, { kind: "replay", ...replay });
    const examined: number[] = [0];
    for (let state = "running"; state === "running"; ) {
      const step = await advanceRecovery(store, { id, limit: 500, now: NOW + 71 });
      state = step?.state ?? "gone";
      examined.push(step?.examined ?? 0);
      // What it has not looked up does not slow the recovery down.
      expect(step?.examinedNow).toBeLessThanOrEqual(20);
    }
    expect(examined.at(-1)).toBe(50);
    const inAStep = examined.slice(1).map((until, n) => until - (examined[n] ?? 0));
    // A thousand subscriptions, and 20,000 pairs.
    expect(Math.max(...inAStep)).toBeLessThanOrEqual(20);
  });
});

/** Ends the first subscription, and inserts others that have ended on its URL. */
async function endAgainAndAgain(store: Store): Promise<void> {
  await store.db
    .updateTable("subscriptions")
    .set({ state: "ended" })
    .where("id", "=", 1 as SubscriptionId)
    .execute();
  await store.db.updateTable("subscription_event_types").set({ removed_at: NOW, live_key: null }).execute();
  await copyFirst(store, { state: "ended", updatedAt: 0, endedAt: 0 });
}

/** Inserts subscriptions on the same URL as the first one, whose row they copy. */
async function copyFirst(
  { db }: Store,
  { state, updatedAt, endedAt }: { state: SubscriptionState; updatedAt: number; endedAt: number | null },
): Promise<void> {
  const digits = Array.from({ length: 10 }, (_, digit) => `select ${digit} as d`).join(" union all ");
  const places = [0, 1, 2, 3].map((place) => `(${digits}) d${place}`).join(", ");
  const n = [0, 1, 2, 3].map((place) => `${10 ** place} * d${place}.d`).join(" + ");
  await sql`
    insert into subscriptions
      (account_id, target_url, target_hash, state, acceptance, key_set, created_at, updated_at, ended_at)
    select account_id, target_url, target_hash, ${state}, 'OK_ONLY', concat('key set ', n.n), 0,
      ${updatedAt}, ${endedAt}
    from subscriptions, (select ${sql.raw(n)} as n from ${sql.raw(places)}) as n where n.n < ${COPIES}
  `.execute(db);
}

function never(): never {
  throw new Error("there is no fan-out");
}
