import type { AccountId, ErasureId } from "@posthaste/domain";
import { expect, test } from "vitest";
import {
  advanceErasure,
  countChanges,
  createAccount,
  createErasure,
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
import { type Bench, NOW, onEachDatabase } from "./fixture.ts";

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
    const unstarted = async (now: number) =>
      (await listUnstartedErasures(store, { now, limit: 10 })).map((erasure) => erasure.id);
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
    await orderChanges(store);
    await countChanges(store);
    const before = await countRows(bench(), other.id);
    const { id } = await createErasure(store, { accountId, key: null, now: NOW });
    // A link created after the erasure was requested.
    await createPortalLink(store, { accountId, scopes: [], expiresAt: NOW + 1, sessionMs: 1, now: NOW });
    expect(await finish(store, id)).toMatchObject({ examined: 3, events: 3, deliveries: 3 });
    expect(await countRows(bench(), accountId)).toEqual({ erasures: 1 });
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
