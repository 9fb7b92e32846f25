import type { DeliveryId, SubscriptionId } from "@posthaste/domain";
import { measureReads, timesIn } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  advanceRecovery,
  closeStore,
  createRecovery,
  getDelivery,
  listDeliveries,
  openStore,
  resendDelivery,
  type Store,
} from "../src/index.ts";
import { deliveriesOf, NOW, onEachDatabase } from "./fixture.ts";
import { gatherStatistics } from "./many-rows.ts";

/*
 * Events went to thousands of subscriptions, and one of these is sent some again. It costs no more than if
 * the others did not exist.
 */

const EVENTS = 30;
const OTHERS = 2_000;
/** For each event, its row, the few deliveries that are looked at, and what the new one's insert reads. */
const READ_BY_STEP_MAX = 40 * EVENTS;
const LATER = NOW + 10_000;

onEachDatabase("beside thousands of others' deliveries of each event", (bench) => {
  /** One connection: its session counters then count only what a test reads. */
  let single: Store;
  let first: SubscriptionId;
  let ids: DeliveryId[];
  beforeEach(async () => {
    const { store, url, subscribe, ingest } = bench();
    single = await openStore({ url, poolSize: 1 });
    first = (await subscribe()).id;
    const events = [];
    for (let n = 0; n < EVENTS; n++) events.push((await ingest()).eventId);
    ids = (await Promise.all(events.map((id) => deliveriesOf(store, id)))).flat().map((row) => row.id);
    const over = { state: "exhausted" as const, ...timesIn("exhausted", NOW), ended_at: NOW };
    await store.db.updateTable("deliveries").set(over).execute();
    await deliverToOthers(store);
  });
  afterEach(() => closeStore(single));

  /** Expects that a call reads few rows; on SQLite, that it looks for more than an event's deliveries. */
  const expectFewReads = async (max: number, call: () => Promise<unknown>) => {
    const { rows, plans } = await measureReads(single, call);
    expect(rows).toBeLessThan(max);
    const ofEvent = plans.filter((plan) => /deliveries_(once|by_event) \(event_id=\?\)/.test(plan));
    // Of the one that stands for all, the first is enough.
    expect(ofEvent.filter((plan) => !plan.startsWith("SEARCH first "))).toEqual([]);
  };
  const start = async (kind: "recover" | "replay", whole: boolean) => {
    const { store, accountId, subscribe } = bench();
    const subscriptionId = kind === "replay" ? (await subscribe()).id : whole ? null : first;
    const scope = { accountId, subscriptionId, isDryRun: false, ratePerSecond: 1_000 } as const;
    const times = { sinceAt: NOW - 1, untilAt: NOW + 1, now: LATER };
    return (await createRecovery(store, { kind, ...scope, ...times })).id;
  };

  const planned = [
    ["a recovery of a subscription", "stale", "recover", false],
    ["a recovery of a subscription", "fresh", "recover", false],
    ["a recovery of an account", "fresh", "recover", true],
    ["a replay", "stale", "replay", false],
    ["a replay", "fresh", "replay", false],
  ] as const;
  test.each(planned)(
    "%s reads few rows in a step, with %s statistics",
    async (_, statistics, kind, whole) => {
      if (statistics === "fresh") await gatherStatistics(bench().store);
      const id = await start(kind, whole);
      await expectFewReads(READ_BY_STEP_MAX, async () => {
        const step = await advanceRecovery(single, { id, limit: EVENTS, now: LATER });
        expect(step).toMatchObject({ examined: EVENTS, madeNow: EVENTS });
      });
      // What was sent again is not sent a third time.
      const again = await start("recover", whole);
      expect(await advanceRecovery(single, { id: again, limit: EVENTS, now: LATER })).toMatchObject({
        madeNow: kind === "recover" ? 0 : EVENTS,
      });
    },
  );

  test("a list of an event's deliveries to one subscription reads few rows", async () => {
    const { accountId } = bench();
    const { eventId } = (await getDelivery(single, { accountId, id: ids[0] ?? ("" as DeliveryId) })) ?? {};
    if (eventId === undefined) throw new Error("no delivery");
    await expectFewReads(100, async () => {
      const list = { accountId, eventId, subscriptionId: first, limit: 50 };
      expect((await listDeliveries(single, list)).map(({ id }) => id)).toEqual(ids.slice(0, 1));
    });
  });

  test("a resend reads few rows", async () => {
    const { accountId } = bench();
    const [id = "" as DeliveryId] = ids;
    await expectFewReads(100, async () => {
      expect(await resendDelivery(single, { accountId, id, now: LATER })).toMatchObject({ resent: true });
    });
    expect(await resendDelivery(single, { accountId, id, now: LATER })).toMatchObject({ resent: false });
  });
});

/** Gives each event deliveries to other subscriptions, which have succeeded. */
async function deliverToOthers({ db, seam }: Store): Promise<void> {
  const digits = Array.from({ length: 10 }, (_, digit) => `select ${digit} as d`).join(" union all ");
  const places = [0, 1, 2, 3].map((place) => `(${digits}) d${place}`).join(", ");
  const n = [0, 1, 2, 3].map((place) => `${10 ** place} * d${place}.d`).join(" + ");
  const numbers = sql.raw(`(select ${n} as n from ${places}) as n where n.n < ${OTHERS}`);
  const binary = sql.raw(seam.name === "mysql" ? "binary" : "blob");
  await sql`
    insert into deliveries (id, account_id, event_id, event_type, subscription_id, target_key,
      state, attempts, test, created_at, ended_at)
    select concat('dlv_', substr(e.id, 9, 22), 1000 + n.n), e.account_id, e.id, e.event_type, 1000 + n.n,
      cast(concat('a target key of 28 bytes, ..', 1000 + n.n) as ${binary}), 'succeeded', 1, 0, ${NOW}, ${NOW}
    from events e, ${numbers}
  `.execute(db);
}
