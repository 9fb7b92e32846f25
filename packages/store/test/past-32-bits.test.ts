import type { EventId } from "@posthaste/domain";
import { recordAttempt, timesIn } from "@posthaste/testkit";
import { sql } from "kysely";
import { expect, test } from "vitest";
import {
  type AttemptToRecord,
  advanceErasure,
  advanceRecovery,
  authenticate,
  type ChangeCursor,
  continueFanout,
  countChanges,
  createAccount,
  createErasure,
  createEventType,
  createPortalLink,
  createRecovery,
  createToken,
  currentCursor,
  getSubscription,
  listChanges,
  listSigningKeys,
  listTokens,
  openPortalLink,
  orderChanges,
  readEventType,
  readStatistics,
  reserveTurn,
  rotateSigningKey,
  type Store,
  updateEventType,
} from "../src/index.ts";
import { attempt, deliveriesOf, idsOf, NOW, onEachDatabase } from "./fixture.ts";

const INT32_MAX = 2 ** 31 - 1;
/** The first numbers beyond a signed and an unsigned 32-bit integer. */
const BORDERS = [2 ** 31, 2 ** 32];

/** Gives the table's next row the id `border - 1`, and the following rows the ids after it. */
async function advance({ db, seam }: Store, table: string, border: number): Promise<void> {
  if (seam.name === "mysql") {
    await sql.raw(`alter table ${table} auto_increment = ${border - 1}`).execute(db);
    return;
  }
  await sql`delete from sqlite_sequence where name = ${table}`.execute(db);
  await sql`insert into sqlite_sequence (name, seq) values (${table}, ${border - 2})`.execute(db);
}

onEachDatabase("beyond 32-bit ids", (bench) => {
  test.each(BORDERS)("changes are ordered, listed and counted across %i", async (border) => {
    const { store, accountId, subscribe, ingest } = bench();
    await advance(store, "delivery_changes", border);
    await store.db
      .updateTable("change_counter")
      .set({ batch: border - 2, oldest_batch: border - 3 })
      .execute();
    await store.db
      .updateTable("statistics_cursor")
      .set({ batch: border - 2, change_id: border - 2 })
      .execute();
    await subscribe();
    await subscribe();
    let cursor = await currentCursor(store);
    const pages: { deliveryId: string; cursor: ChangeCursor }[] = [];
    for (let i = 0; i < 4; i++) {
      await ingest();
      expect(await orderChanges(store, 0)).toBe(2);
      for (;;) {
        const next = await listChanges(store, { accountId, after: cursor, limit: 1 });
        cursor = next.cursor;
        if (next.changes[0] === undefined) break;
        pages.push({ deliveryId: next.changes[0].deliveryId, cursor });
      }
    }
    expect(new Set(pages.map(({ deliveryId }) => deliveryId)).size).toBe(8);
    expect(pages.map((page) => page.cursor)).toMatchObject([
      { batch: border - 1, id: border - 1 },
      { batch: border - 1, id: border },
      { batch: border },
      { batch: border },
      { batch: border + 1 },
      { batch: border + 1 },
      { batch: border + 2 },
      { batch: border + 2 },
    ]);
    expect(await countChanges(store)).toBe(8);
    expect(await countChanges(store)).toBe(0);
  });

  test.each(BORDERS)("every counter of a span of time counts across %i", async (border) => {
    const { store, accountId, subscribe } = bench();
    await subscribe();
    const spanMs = 900_000;
    const counts = async () => {
      while ((await orderChanges(store, 0)) > 0);
      while ((await countChanges(store)) > 0);
      const span = { spanMs, bucketMs: spanMs, fromAt: NOW, untilAt: NOW + 1 } as const;
      return (await readStatistics(store, { accountId, ...span }))[0]?.counts;
    };
    const deliver = async (over: Partial<AttemptToRecord>) => {
      const { eventId } = await bench().ingest();
      const [delivery] = await deliveriesOf(store, eventId);
      if (delivery === undefined) throw new Error("there is no delivery");
      const ended = { nextAttemptAt: null, endedReason: null, now: NOW };
      const succeeded = {
        attempt: attempt({ outcome: "accepted", status: 200 }),
        state: "succeeded" as const,
      };
      await recordAttempt(store, { deliveryId: delivery.id, ...succeeded, ...ended, ...over });
    };
    await deliver({});
    const took = (await counts())?.took ?? [];
    const near = border - 1;
    const sums = {
      events: near,
      deliveries: near,
      succeeded: near,
      failed: near,
      attempts: near,
      accepted: near,
    };
    const nearTook = took.map((count) => (count === 0 ? 0 : near));
    await store.db
      .updateTable("statistics")
      .set({ ...sums, took: JSON.stringify(nearTook) })
      .execute();
    await deliver({});
    await deliver({ attempt: attempt(), state: "exhausted" });
    expect(await counts()).toEqual({
      events: border + 1,
      deliveries: border + 1,
      succeeded: border,
      failed: border,
      attempts: border + 1,
      accepted: border,
      took: took.map((count) => (count === 0 ? 0 : border + 1)),
    });
  });

  test.each(BORDERS)("exhausted deliveries are counted across %i, and told to the owner", async (border) => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe();
    await subscribe({ eventTypes: ["subscription_disabled"] });
    await store.db
      .updateTable("subscriptions")
      .set({ exhausted: border - 1, failing_since: 1 })
      .where("id", "=", id)
      .execute();
    const { eventId } = await ingest();
    const [delivery] = await deliveriesOf(store, eventId);
    if (delivery === undefined) throw new Error("there is no delivery");
    const exhausted = { state: "exhausted", nextAttemptAt: null, endedReason: null, now: NOW } as const;
    await recordAttempt(store, { deliveryId: delivery.id, attempt: attempt(), ...exhausted });
    expect(await getSubscription(store, { accountId, id })).toMatchObject({ state: "disabled" });
    const told = await store.db
      .selectFrom("events")
      .select("data")
      .where("event_type", "=", "subscription_disabled")
      .executeTakeFirstOrThrow();
    expect(JSON.parse(told.data.toString())).toMatchObject({ ExhaustedDeliveries: border });
  });

  test.each(BORDERS)("a turn slot takes retries across %i", async (border) => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const slot = Math.floor(NOW / 10_000);
    const taken = border - 1;
    const block = { subscription_id: id, account_id: accountId, slot, last_slot: slot + 1, taken };
    await store.db
      .insertInto("turn_slots")
      .values({ ...block, taken_before: taken })
      .execute();
    const pace = { rate: null, concurrency: border };
    const reserve = () => reserveTurn(store, { subscriptionId: id, pace, dueMs: NOW, now: NOW });
    const [one, two] = [await reserve(), await reserve()];
    expect(two).toBeGreaterThanOrEqual(one);
    const slots = await store.db.selectFrom("turn_slots").select(["slot", "taken"]).orderBy("slot").execute();
    expect(slots).toEqual([
      { slot, taken: border + 1 },
      { slot: slot + 1, taken: border - 1 },
    ]);
  });

  test.each(BORDERS)("recoveries and erasures count across %i", async (border) => {
    const { store, accountId, subscribe, ingest } = bench();
    const near = border - 1;
    await subscribe();
    for (const state of ["exhausted", "exhausted", "cancelled"] as const) {
      const { eventId } = await ingest({ json: '{"a":"1"}' });
      const ended = { state, ...timesIn(state, NOW), ended_at: NOW };
      await store.db.updateTable("deliveries").set(ended).where("event_id", "=", eventId).execute();
    }
    const [newest] = await store.db
      .selectFrom("events")
      .select("id")
      .orderBy("id", "desc")
      .limit(1)
      .execute();
    await store.db
      .deleteFrom("events")
      .where("id", "=", newest?.id ?? ("" as EventId))
      .execute();
    const span = { sinceAt: 0, untilAt: NOW + 1, isDryRun: false, ratePerSecond: 100, now: NOW + 1 };
    const { id } = await createRecovery(store, { accountId, kind: "recover", subscriptionId: null, ...span });
    await store.db
      .updateTable("recoveries")
      .set({ examined: near, made: near, left_out: near, parked: near })
      .execute();
    expect(await advanceRecovery(store, { id, limit: 10, now: NOW + 1 })).toMatchObject({
      examined: near + 3,
      made: near + 2,
      leftOut: near + 1,
      parked: near,
    });

    const key = { pointer: "/a", value: "1" };
    const erasure = await createErasure(store, { accountId, key, now: NOW });
    await store.db
      .updateTable("erasures")
      .set({ examined: near, events: near, deliveries: near, attempts: near })
      .execute();
    expect(await advanceErasure(store, { id: erasure.id, now: NOW })).toMatchObject({
      examined: near + 2,
      events: near + 2,
      deliveries: near + 4,
      attempts: near,
    });
  });

  test.each(BORDERS)(
    "a wide fan-out keeps to the subscriptions as of its ingest across %i",
    async (border) => {
      const { store, subscribe, ingest } = bench();
      await advance(store, "subscription_event_types", border);
      const wanting = [await subscribe(), await subscribe(), await subscribe()];
      const { eventId } = await ingest({ deliveriesMax: 1 });
      await subscribe();
      while ((await continueFanout(store, { eventId, now: NOW, deliveriesMax: 1 })).goesOn);
      const served = await deliveriesOf(store, eventId);
      expect(idsOf(served)).toEqual(wanting.map(({ id }) => id));
    },
  );

  test.each(BORDERS)(
    "portal sessions open across %i, but a token beyond 32 bits is refused",
    async (border) => {
      const { store, accountId } = bench();
      await advance(store, "tokens", border);
      await advance(store, "portal_links", border);
      for (let i = 0; i < 3; i++) {
        const link = { accountId, scopes: [], expiresAt: NOW + 1_000, sessionMs: 1_000, now: NOW };
        const opened = await openPortalLink(store, { code: await createPortalLink(store, link), now: NOW });
        expect(opened?.token.id).toBe(border - 1 + i);
        expect(await authenticate(store, opened?.secret ?? "", NOW)).toMatchObject({ accountId });
      }
      const token = createToken(store, { accountId, name: "x", scopes: [], expiresAt: null, now: NOW });
      await expect(token).rejects.toThrow(`number ${border + 2} is past ${INT32_MAX}`);
      // The contract cannot carry larger ids.
      const listed = await listTokens(store, { accountId, limit: 10 });
      expect(listed.map(({ id }) => id)).toEqual(border - 1 > INT32_MAX ? [] : [border - 1]);
    },
  );

  test.each(BORDERS)("signing keys and event types are created across %i", async (border) => {
    const { store, accountId, subscribe } = bench();
    await advance(store, "signing_keys", border);
    await advance(store, "event_types", border);
    const { id } = await subscribe();
    const texts = { description: "", schemaJson: "{}", sampleJson: "{}", now: NOW };
    for (const [i, code] of ["one", "two", "three"].entries()) {
      const key = await rotateSigningKey(store, { accountId, id, overlapMs: 0, now: NOW });
      expect(await listSigningKeys(store, { accountId, id, now: NOW })).toEqual([key]);
      const created = await createEventType(store, { owner: accountId, code, ...texts });
      expect(created.id).toBe(border - 1 + i);
      await updateEventType(store, { id: created.id, owner: accountId, basedOn: 1, ...texts });
      expect(await readEventType(store, { id: created.id, version: 2 })).toMatchObject({ version: 2 });
    }
  });

  test("rows whose ids are 32-bit in the contracts are refused beyond 32 bits, and not stored", async () => {
    const { store, accountId, subscribe } = bench();
    const { id: subscriptionId } = await subscribe();
    const span = { sinceAt: NOW, untilAt: NOW, now: NOW };
    const recovery = { accountId, subscriptionId, isDryRun: true, ratePerSecond: 1, ...span };
    const create = {
      accounts: () => createAccount(store, { name: "x", now: NOW }),
      subscriptions: () => subscribe(),
      tokens: () => createToken(store, { accountId, name: "x", scopes: [], expiresAt: null, now: NOW }),
      recoveries: () => createRecovery(store, { kind: "recover", ...recovery }),
      erasures: () => createErasure(store, { accountId, key: { pointer: "/a", value: "1" }, now: NOW }),
    };
    for (const table of Object.keys(create) as (keyof typeof create)[]) {
      await advance(store, table, INT32_MAX + 1);
      const last = await create[table]();
      expect("token" in last ? last.token.id : last.id).toBe(INT32_MAX);
      await expect(create[table]()).rejects.toThrow(`number ${INT32_MAX + 1} is past ${INT32_MAX}`);
      const { greatest } = await store.db
        .selectFrom(table)
        .select((eb) => eb.fn.max("id").as("greatest"))
        .executeTakeFirstOrThrow();
      expect(Number(greatest)).toBe(INT32_MAX);
    }
  });

  test("a duplicate subscription uses up no id", async () => {
    const { subscribe } = bench();
    const targetUrl = "https://receiver.example/same";
    const { id } = await subscribe({ targetUrl });
    for (let i = 0; i < 5; i++) {
      await expect(subscribe({ targetUrl })).rejects.toMatchObject({ code: "already_exists" });
    }
    expect((await subscribe()).id).toBe(id + 1);
  });
});
