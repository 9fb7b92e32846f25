import type { AccountId, DeliveryId, ErasureId, EventId, SubscriptionId } from "@posthaste/domain";
import type { Insertable } from "kysely";
import { expect, test } from "vitest";
import { newAuditEntryId } from "../src/database/ids.ts";
import { insertRows } from "../src/database/insert-rows.ts";
import type { Tables } from "../src/database/tables.ts";
import { transact } from "../src/database/transact.ts";
import {
  advanceErasure,
  countChanges,
  createAccount,
  createErasure,
  createEventType,
  createPortalLink,
  createRecovery,
  createToken,
  type Erasure,
  getErasure,
  listUnstartedErasures,
  markErasureStarted,
  openPortalLink,
  orderChanges,
  type Store,
} from "../src/index.ts";
import { type Bench, idsIn, NOW, onEachDatabase } from "./fixture.ts";

const finish = async (store: Store, id: ErasureId): Promise<Erasure> => {
  for (let i = 0; i < 100; i++) {
    const step = await advanceErasure(store, { id, now: NOW });
    if (step?.state === "completed") return step;
  }
  throw new Error("the erasure does not end");
};
/** Counts the rows with this account's id, by table. */
const countRows = async ({ store }: Bench, accountId: AccountId) => {
  const db = store.db.$extendTables<Record<string, Record<string, unknown>>>();
  const counts: Record<string, number> = {};
  for (const { name, columns } of await store.db.introspection.getTables()) {
    if (!columns.some((column) => column.name === "account_id")) continue;
    const rows = await db.selectFrom(name).selectAll().where("account_id", "=", accountId).execute();
    if (rows.length > 0) counts[name] = rows.length;
  }
  return counts;
};

/** The tables of which an account may have any number of rows that belong to no event. */
const THOUSANDS = [
  "tokens",
  "portal_links",
  "turn_slots",
  "subscription_event_types",
  "event_type_versions",
  "idempotency_keys",
  "recoveries",
  "statistics",
  "delivery_changes",
  "audit_entries",
] as const;

/** Inserts 1,100 rows into each of these tables. */
const insertThousands = async (
  store: Store,
  owner: { accountId: AccountId; subscriptionId: SubscriptionId; typeId: number },
) => {
  const account = { account_id: owner.accountId };
  const ofSubscription = { ...account, subscription_id: owner.subscriptionId };
  const hashOf = (i: number) => Buffer.from(String(i).padStart(32));
  const none = { events: 0, deliveries: 0, attempts: 0 };
  const rowOf: { [T in (typeof THOUSANDS)[number]]: (i: number) => Insertable<Tables[T]> } = {
    tokens: (i) => ({
      ...account,
      name: "t",
      secret_hash: hashOf(i),
      hint: "",
      scopes: "",
      session: 0,
      created_at: NOW,
    }),
    portal_links: (i) => ({
      ...account,
      code_hash: hashOf(i),
      scopes: "",
      session_ms: 1,
      expires_at: NOW,
      created_at: NOW,
    }),
    turn_slots: (slot) => ({ ...ofSubscription, slot, taken: 1 }),
    subscription_event_types: () => ({ ...ofSubscription, event_type: "invoice_sent", removed_at: NOW }),
    event_type_versions: (i) => ({
      ...account,
      event_type_id: owner.typeId,
      version: i + 2,
      description: "",
      schema_json: "{}",
      sample_json: "{}",
      created_at: NOW,
    }),
    idempotency_keys: (i) => ({
      ...account,
      key_hash: hashOf(i),
      content_hash: hashOf(i),
      event_id: "evt_gone" as EventId,
      delivery_count: 0,
      created_at: NOW,
    }),
    recoveries: () => ({
      ...account,
      kind: "recover",
      state: "completed",
      since_at: NOW,
      until_at: NOW,
      dry_run: 0,
      rate_per_second: 1,
      cursor_id: "",
      examined: 0,
      made: 0,
      left_out: 0,
      parked: 0,
      created_at: NOW,
    }),
    statistics: (i) => ({
      ...account,
      ...none,
      span_ms: 60_000,
      from_at: i,
      succeeded: 0,
      failed: 0,
      accepted: 0,
      took: "[]",
    }),
    audit_entries: () => ({
      ...account,
      id: newAuditEntryId(NOW),
      actor: "operator",
      action: "a program",
      subject: "account",
      subject_id: "1",
      created_at: NOW,
    }),
    delivery_changes: () => ({
      ...ofSubscription,
      delivery_id: "dlv_gone" as DeliveryId,
      event_id: "evt_gone" as EventId,
      event_type: "invoice_sent",
      cause: "ingested",
      state: "pending",
      attempts: 0,
      changed_at: NOW,
    }),
  };
  const insert = async <T extends (typeof THOUSANDS)[number]>(table: T) => {
    const rows = Array.from({ length: 1_100 }, (_, i) => rowOf[table](i));
    await transact(store, (tx) => insertRows(tx, table, rows));
  };
  for (const table of THOUSANDS) await insert(table);
};

onEachDatabase("erasing events with a key", (bench) => {
  test("deletes only those events and their deliveries, and leaves a receipt without the value", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    await subscribe();
    const mine: string[] = [];
    for (let i = 0; i < 150; i++) {
      const { eventId } = await ingest({ json: `{"Email":"${i % 3 === 0 ? "ada" : "bob"}@example.com"}` });
      if (i % 3 === 0) mine.push(eventId);
    }
    const { id } = await createErasure(store, {
      accountId,
      key: { pointer: "/Email", value: "ada@example.com" },
      now: NOW,
    });
    expect(await finish(store, id)).toMatchObject({
      examined: 150,
      events: 50,
      deliveries: 100,
      attempts: 0,
    });
    const left = await store.db.selectFrom("events").select(["id", "data"]).execute();
    expect(left).toHaveLength(100);
    expect(left.some(({ data }) => data.toString().includes("ada"))).toBe(false);
    const deliveries = await store.db.selectFrom("deliveries").select("event_id").execute();
    expect(deliveries.filter(({ event_id }) => mine.includes(event_id))).toEqual([]);
    const receipt = await getErasure(store, id);
    expect(receipt).toMatchObject({ pointer: "/Email", endedAt: NOW });
    expect(receipt?.valueHash).toHaveLength(32);
    const row = await store.db.selectFrom("erasures").selectAll().executeTakeFirstOrThrow();
    expect(row.sealed_value).toBeNull();
  });

  test("stores the searched value sealed, and a second erasure finds nothing more", async () => {
    const { store, accountId, ingest } = bench();
    await ingest({ json: '{"Email":"ada@example.com"}' });
    const key = { pointer: "/Email", value: "ada@example.com" };
    const { id } = await createErasure(store, { accountId, key, now: NOW });
    const { sealed_value } = await store.db.selectFrom("erasures").selectAll().executeTakeFirstOrThrow();
    expect(sealed_value?.toString("latin1")).not.toContain("ada");
    const first = await finish(store, id);
    expect(await advanceErasure(store, { id, now: NOW + 1 })).toEqual(first);
    const again = await createErasure(store, { accountId, key, now: NOW });
    expect(await finish(store, again.id)).toMatchObject({ examined: 0, events: 0 });
  });

  test("affects one account only", async () => {
    const { store, ingest } = bench();
    await ingest({ json: '{"Email":"ada@example.com"}' });
    const other = await createAccount(store, { name: "other", now: NOW });
    const { id } = await createErasure(store, {
      accountId: other.id,
      key: { pointer: "/Email", value: "ada@example.com" },
      now: NOW,
    });
    expect(await finish(store, id)).toMatchObject({ examined: 0, events: 0 });
    expect(await store.db.selectFrom("events").select("id").execute()).toHaveLength(1);
  });

  test("is listed for a workflow start at once, and again after a minute without progress", async () => {
    const { store, accountId } = bench();
    const { id } = await createErasure(store, { accountId, key: null, now: NOW });
    const unstarted = async (now: number) => idsIn(await listUnstartedErasures(store, { now, limit: 10 }));
    expect(await unstarted(NOW)).toEqual([id]);
    await markErasureStarted(store, { id, now: NOW });
    expect(await unstarted(NOW + 59_000)).toEqual([]);
    expect(await unstarted(NOW + 61_000)).toEqual([id]);
  });

  test("is refused for an account that does not exist", async () => {
    const create = createErasure(bench().store, { accountId: 999 as AccountId, key: null, now: NOW });
    await expect(create).rejects.toMatchObject({ code: "not_found" });
  });
});

onEachDatabase("erasing an account", (bench) => {
  test("leaves only its id and the receipt in any table, and does not touch another account", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const other = await createAccount(store, { name: "other", now: NOW });
    for (const owner of [accountId, other.id]) {
      await subscribe({ accountId: owner, targetUrl: `https://receiver.example/${owner}` });
      for (let i = 0; i < 3; i++) await ingest({ accountId: owner, key: `k${i}` });
      await createToken(store, { accountId: owner, name: "t", scopes: [], expiresAt: null, now: NOW });
      await createPortalLink(store, {
        accountId: owner,
        scopes: [],
        expiresAt: NOW + 1,
        sessionMs: 1,
        now: NOW,
      });
      await createRecovery(store, {
        accountId: owner,
        kind: "recover",
        subscriptionId: null,
        sinceAt: 0,
        untilAt: NOW,
        isDryRun: true,
        ratePerSecond: 1,
        now: NOW,
      });
    }
    await orderChanges(store, NOW);
    await countChanges(store);
    const before = await countRows(bench(), other.id);
    const { id } = await createErasure(store, { accountId, key: null, now: NOW });
    // A link that was left when a crash cut the request off.
    await store.db
      .insertInto("portal_links")
      .values({
        account_id: accountId,
        code_hash: Buffer.alloc(32),
        scopes: "",
        session_ms: 1,
        expires_at: NOW + 1,
        created_at: NOW,
      })
      .execute();
    expect(await finish(store, id)).toMatchObject({ examined: 3, events: 3, deliveries: 3 });
    expect(await countRows(bench(), accountId)).toEqual({ audit_entries: 1, erasures: 1 });
    expect(await countRows(bench(), other.id)).toEqual(before);
    expect(await store.db.selectFrom("turns").selectAll().execute()).toHaveLength(1);
    expect(await store.db.selectFrom("signing_keys").selectAll().execute()).toHaveLength(1);
    const { name } = await store.db
      .selectFrom("accounts")
      .select("name")
      .where("id", "=", accountId)
      .executeTakeFirstOrThrow();
    expect(name).toBe("erased");
  });

  test("deletes thousands of rows of each kind, no statement more than a thousand", async () => {
    const { store, accountId, subscribe } = bench();
    const { id: subscriptionId } = await subscribe();
    const { id: typeId } = await createEventType(store, {
      owner: accountId,
      code: "own_type",
      description: "",
      schemaJson: "{}",
      sampleJson: "{}",
      now: NOW,
    });
    await insertThousands(store, { accountId, subscriptionId, typeId });
    const before = await countRows(bench(), accountId);
    for (const table of THOUSANDS) expect(before[table]).toBeGreaterThan(1_000);
    const { id } = await createErasure(store, { accountId, key: null, now: NOW });
    const { revoked } = await store.db
      .selectFrom("tokens")
      .select((eb) => eb.fn.count("revoked_at").as("revoked"))
      .executeTakeFirstOrThrow();
    expect(Number(revoked)).toBe(before["tokens"]);
    expect(await finish(store, id)).toMatchObject({ state: "completed" });
    expect(await countRows(bench(), accountId)).toEqual({ audit_entries: 1, erasures: 1 });
  });

  test("leaves a line to each subscription that exists, after every step", async () => {
    const { store, accountId, subscribe } = bench();
    for (let i = 0; i < 45; i++) await subscribe();
    const { id } = await createErasure(store, { accountId, key: null, now: NOW });
    const counts: number[] = [];
    for (let state = "running"; state === "running"; ) {
      const lines = await store.db.selectFrom("turns").select("subscription_id").execute();
      const existing = await store.db.selectFrom("subscriptions").select("id").execute();
      expect(lines.map((row) => row.subscription_id).sort()).toEqual(existing.map((row) => row.id).sort());
      counts.push(existing.length);
      state = (await advanceErasure(store, { id, now: NOW }))?.state ?? "not found";
    }
    expect(counts.length).toBeGreaterThan(5);
  });

  test("revokes its tokens at once, and its portal links no longer open", async () => {
    const { store, accountId } = bench();
    const code = await createPortalLink(store, {
      accountId,
      scopes: [],
      expiresAt: NOW + 1_000,
      sessionMs: 1_000,
      now: NOW,
    });
    await createToken(store, { accountId, name: "t", scopes: [], expiresAt: null, now: NOW });
    await createErasure(store, { accountId, key: null, now: NOW });
    const { revoked_at } = await store.db.selectFrom("tokens").select("revoked_at").executeTakeFirstOrThrow();
    expect(revoked_at).toBe(NOW);
    expect(await openPortalLink(store, { code, now: NOW })).toBeUndefined();
  });
});
