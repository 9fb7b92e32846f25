import { createEmptyStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import {
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
  listChanges,
  listSigningKeys,
  listTokens,
  migrate,
  openPortalLink,
  orderChanges,
  readEventType,
  readStatistics,
  rotateSigningKey,
  type Store,
  updateEventType,
} from "../src/index.ts";
import { deliveriesOf, idsOf, NOW, onEachDatabase } from "./fixture.ts";

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
      expect(await orderChanges(store)).toBe(2);
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

  test.each(BORDERS)("counters count across %i", async (border) => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    const deliveries = async () => {
      await orderChanges(store);
      await countChanges(store);
      const spanMs = 900_000;
      const span = { spanMs, bucketMs: spanMs, fromAt: NOW, untilAt: NOW + 1 } as const;
      return (await readStatistics(store, { accountId, ...span }))[0]?.counts.deliveries;
    };
    await ingest();
    expect(await deliveries()).toBe(1);
    await store.db
      .updateTable("statistics")
      .set({ deliveries: border - 1 })
      .execute();
    await ingest();
    expect(await deliveries()).toBe(border);
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

/** The columns of 32 bits or less, grouped by what bounds their values. */
const BOUNDED = [
  // At most one delivery for each subscription.
  "idempotency_keys.delivery_count",
  // The number of attempts of a delivery, and the duration of one.
  "attempts.number",
  "attempts.duration_ms",
  "delivery_changes.attempt_ms",
  "deliveries.attempts",
  "delivery_changes.attempts",
  "turns.hold_ms",
  // HTTP status codes.
  "attempts.status",
  "deliveries.last_status",
  "delivery_changes.last_status",
  // Settings, whose ranges are validated.
  "subscriptions.timeout_ms",
  "subscriptions.rate_per_1000s",
  "subscriptions.rate_burst",
  "subscriptions.concurrency",
  "recoveries.rate_per_second",
  "portal_links.session_ms",
  // Catalogue limits.
  "event_types.version",
  "event_types.bytes",
  "event_type_versions.version",
  // One of two constants.
  "statistics.span_ms",
  // Booleans, and the ids of single-row tables.
  "attempts.response_truncated",
  "deliveries.test",
  "recoveries.dry_run",
  "fanouts.has_delivery",
  "subscriptions.draining",
  "subscriptions.ending",
  "tokens.session",
  "change_counter.id",
  "statistics_cursor.id",
  "kysely_migration_lock.is_locked",
];

describe("on mysql", () => {
  test("only columns with bounded values have 32 bits or less", async () => {
    const t = await createEmptyStore("mysql");
    try {
      await migrate(t.store);
      const { rows } = await sql<{ name: string }>`
        select concat(table_name, '.', column_name) as name from information_schema.columns
        where table_schema = database() and data_type in ('tinyint', 'smallint', 'mediumint', 'int')
      `.execute(t.store.db);
      expect(rows.map(({ name }) => name).sort()).toEqual([...BOUNDED].sort());
    } finally {
      await t.dispose();
    }
  });
});
