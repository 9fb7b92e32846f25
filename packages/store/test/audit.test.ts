import { type AccountId, DAY_MS, type DeliveryId, MINUTE_MS, type TokenId } from "@posthaste/domain";
import { measureReads, poison, recordAttempt, timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { newAuditEntryId } from "../src/database/ids.ts";
import { insertRows } from "../src/database/insert-rows.ts";
import { transact } from "../src/database/transact.ts";
import {
  type AuditFilter,
  advanceErasure,
  archiveEventType,
  type By,
  cancelDelivery,
  changeRecovery,
  closeStore,
  createAccount,
  createErasure,
  createEventType,
  createPortalLink,
  createRecovery,
  createTestDelivery,
  createToken,
  endSubscription,
  listAuditEntries,
  listSigningKeys,
  openPortalLink,
  openStore,
  pauseSubscription,
  renewInstallation,
  requestRetry,
  resendDelivery,
  resumeSubscription,
  retain,
  revokeToken,
  rotateSigningKey,
  type Store,
  setLane,
  setSchemaCheck,
  updateEventType,
  updateSubscription,
} from "../src/index.ts";
import { attempt, type Bench, deliveriesOf, NOW, onEachDatabase } from "./fixture.ts";

const TOKEN = { tokenId: 7 as TokenId, accountId: 1 as AccountId, name: "ci", hint: "pht_abcd" };
const BY: By = { actor: TOKEN, action: "Test/Call" };
const TEXTS = { description: "", schemaJson: "{}", sampleJson: "{}" };
const SPAN = { sinceAt: 0, untilAt: NOW, isDryRun: false, ratePerSecond: 1, now: NOW };

/** Things of every kind that may be changed. */
async function thingsOf(bench: Bench) {
  const { store, accountId, subscribe, ingest } = bench;
  const { id: subscriptionId } = await subscribe();
  const { id: pausedId } = await subscribe();
  await pauseSubscription(store, { accountId, id: pausedId, now: NOW });
  const token = { accountId, name: "t", scopes: [], expiresAt: null, now: NOW };
  const { token: created } = await createToken(store, token);
  const link = { accountId, scopes: [], expiresAt: NOW + 1_000, sessionMs: 1, now: NOW };
  const code = await createPortalLink(store, link);
  const type = await createEventType(store, { owner: accountId, code: "own", ...TEXTS, now: NOW });
  const whole = { accountId, kind: "recover", subscriptionId: null, ...SPAN } as const;
  const { id: recoveryId } = await createRecovery(store, whole);
  const deliveries: DeliveryId[] = [];
  for (const state of ["started", "exhausted"] as const) {
    const { eventId } = await ingest();
    const [delivery] = (await deliveriesOf(store, eventId)).filter((row) => row.state === "pending");
    if (delivery === undefined) throw new Error("there is no delivery");
    const at = state === "started" ? { next_attempt_at: NOW + 600_000 } : { ended_at: NOW };
    await store.db
      .updateTable("deliveries")
      .set({ state, ...timesIn(state, NOW), ...at })
      .where("id", "=", delivery.id)
      .execute();
    deliveries.push(delivery.id);
  }
  const [waiting, failed] = deliveries as [DeliveryId, DeliveryId];
  return { subscriptionId, pausedId, created, code, token, link, type, whole, recoveryId, waiting, failed };
}

/** Every change that the store enters, by the function that makes it. */
type Change = (bench: Bench, things: Awaited<ReturnType<typeof thingsOf>>) => Promise<unknown>;
const of = { now: NOW, by: BY };
const CHANGES: Readonly<Record<string, Change>> = {
  createAccount: ({ store }) => createAccount(store, { name: "new", ...of }),
  setLane: ({ store, accountId: id }) => setLane(store, { id, lane: "direct", ...of }),
  createToken: ({ store }, { token }) => createToken(store, { ...token, ...of }),
  revokeToken: ({ store }, { created }) => revokeToken(store, { id: created.id, ...of }),
  createPortalLink: ({ store }, { link }) => createPortalLink(store, { ...link, ...of }),
  openPortalLink: ({ store }, { code }) => openPortalLink(store, { code, ...of }),
  createEventType: ({ store, accountId: owner }) =>
    createEventType(store, { owner, code: "b", ...TEXTS, ...of }),
  updateEventType: ({ store, accountId: owner }, { type: { id } }) =>
    updateEventType(store, { id, owner, basedOn: 1, ...TEXTS, ...of }),
  archiveEventType: ({ store }, { type: { id } }) => archiveEventType(store, { id, ...of }),
  setSchemaCheck: ({ store, accountId }) => setSchemaCheck(store, { accountId, schemaCheck: "WARN", ...of }),
  createSubscription: ({ subscribe }) => subscribe({ by: BY }),
  updateSubscription: ({ store, accountId }, { subscriptionId: id }) =>
    updateSubscription(store, { accountId, id, description: "new", ...of }),
  rotateSigningKey: ({ store, accountId }, { subscriptionId: id }) =>
    rotateSigningKey(store, { accountId, id, overlapMs: 0, ...of }),
  listSigningKeys: ({ store, accountId }, { subscriptionId: id }) =>
    listSigningKeys(store, { accountId, id, ...of }),
  pauseSubscription: ({ store, accountId }, { subscriptionId: id }) =>
    pauseSubscription(store, { accountId, id, ...of }),
  resumeSubscription: ({ store, accountId }, { pausedId: id }) =>
    resumeSubscription(store, { accountId, id, ...of }),
  endSubscription: ({ store, accountId }, { subscriptionId: id }) =>
    endSubscription(store, { accountId, id, ...of }),
  createTestDelivery: ({ store, accountId }, { subscriptionId }) =>
    createTestDelivery(store, { accountId, subscriptionId, eventType: "a", data: Buffer.from("{}"), ...of }),
  requestRetry: ({ store, accountId }, { waiting: id }) => requestRetry(store, { accountId, id, ...of }),
  cancelDelivery: ({ store }, { waiting: id }) => cancelDelivery(store, { id, reason: "", ...of }),
  resendDelivery: ({ store, accountId }, { failed: id }) => resendDelivery(store, { accountId, id, ...of }),
  createRecovery: ({ store }, { whole, pausedId }) =>
    createRecovery(store, { ...whole, subscriptionId: pausedId, ...of }),
  changeRecovery: ({ store, accountId }, { recoveryId: id }) =>
    changeRecovery(store, { accountId, id, to: "paused", ...of }),
  createErasure: ({ store, accountId }) => createErasure(store, { accountId, key: null, ...of }),
  renewInstallation: ({ store }) => renewInstallation(store, of),
};

/** Returns every row of every table except the audit log. */
async function everyRow({ db }: Store): Promise<string[]> {
  const names = (await db.introspection.getTables()).map(({ name }) => name);
  const tables = db.$extendTables<Record<string, Record<string, unknown>>>();
  const rows: string[] = [];
  for (const name of names.filter((one) => one !== "audit_entries")) {
    const found = await tables.selectFrom(name).selectAll().execute();
    rows.push(...found.map((row) => `${name} ${JSON.stringify(row)}`));
  }
  return rows.sort();
}

onEachDatabase("a change of an owner's", (bench) => {
  test.each(Object.entries(CHANGES))("by %s is entered with who made it", async (_name, change) => {
    const things = await thingsOf(bench());
    await change(bench(), things);
    const { rows } = await listAuditEntries(bench().store, { action: BY.action, limit: 10 });
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row).toMatchObject({ actor: TOKEN, createdAt: NOW });
  });

  test.each(Object.entries(CHANGES))("by %s is not made if it cannot be entered", async (_name, change) => {
    const { store } = bench();
    const things = await thingsOf(bench());
    const before = await everyRow(store);
    const { heal } = await poison(store, {
      table: "audit_entries",
      on: "insert",
      condition: "new.actor = 'token'",
    });
    await expect(change(bench(), things)).rejects.toThrow("poison");
    expect(await everyRow(store)).toEqual(before);
    await heal();
  });
});

onEachDatabase("the audit log", (bench) => {
  const list = async (filter: AuditFilter = {}) =>
    (await listAuditEntries(bench().store, { ...filter, limit: 100 })).rows;

  test("says what Posthaste did by itself: it disabled a failing subscription, and ended one after a 410", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const rule = { failingForMs: 0, exhausted: 1 };
    for (const outcome of ["status", "gone"] as const) {
      const { id } = await subscribe();
      const { eventId } = await ingest();
      const delivery = (await deliveriesOf(store, eventId)).find((row) => row.subscription_id === id);
      if (delivery === undefined) throw new Error("there is no delivery");
      await recordAttempt(store, {
        deliveryId: delivery.id,
        attempt: attempt({ outcome, status: outcome === "gone" ? 410 : 500 }),
        state: outcome === "gone" ? "cancelled" : "exhausted",
        ...{ nextAttemptAt: null, endedReason: null, disableRule: rule, now: NOW },
      });
    }
    const [ended, disabled] = (await list({ accountId })).filter(({ actor }) => actor === "posthaste");
    expect(disabled).toMatchObject({
      ...{ action: "subscription_disabled", beforeJson: '{"state":"active"}' },
      afterJson: expect.stringContaining('"disabled_reason":"no delivery succeeded since 2023'),
    });
    expect(ended).toMatchObject({
      action: "subscription_ended",
      afterJson: '{"state":"ended","ended_reason":"the receiver answered 410"}',
    });
  });

  test("of metadata holds the entries that changed, and nothing if only their order did", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const set = async (metadata: Record<string, string>) => {
      await updateSubscription(store, { accountId, id, metadata, now: NOW, by: BY });
      return (await listAuditEntries(store, { accountId, action: BY.action, limit: 10 })).rows;
    };
    const first = await set({ a: "1", b: "2" });
    expect(await set({ b: "2", a: "1" })).toHaveLength(first.length);
    const [entry] = await set({ a: "1", b: "3" });
    expect([entry?.beforeJson, entry?.afterJson].map((json) => JSON.parse(json ?? ""))).toEqual([
      { metadata: { b: "2" } },
      { metadata: { b: "3" } },
    ]);
  });

  test("cuts a long value off", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const metadata = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, "é".repeat(500)]));
    await updateSubscription(store, { accountId, id, metadata, now: NOW, by: BY });
    const [entry] = await list({ action: BY.action });
    expect(entry?.afterJson.length).toBeLessThan(4_300);
    expect(JSON.parse(entry?.afterJson ?? "").metadata).toMatch(/… \(10\d+ characters\)$/);
  });

  test("keeps of an erased account only that it was erased, by whom and when", async () => {
    const { store, accountId, subscribe } = bench();
    const { id: subscriptionId } = await subscribe();
    const { token } = await createToken(store, {
      ...{ accountId, name: "Jane's laptop", scopes: ["admin"], expiresAt: null, now: NOW },
    });
    const own = { tokenId: token.id, accountId, name: token.name, hint: token.hint };
    const by: By = { actor: own, action: "Erase" };
    await updateSubscription(store, { accountId, id: subscriptionId, description: "x", now: NOW, by });
    await createErasure(store, { accountId, key: { pointer: "/a", value: "x" }, now: NOW, by });
    const { id } = await createErasure(store, { accountId, key: null, now: NOW, by });
    for (let state = "running"; state === "running"; ) {
      state = (await advanceErasure(store, { id, now: NOW }))?.state ?? "";
    }
    const entries = await list({ accountId });
    expect(entries).toMatchObject([
      {
        ...{ action: "Erase", subject: "erasure", subjectId: String(id), createdAt: NOW },
        actor: { tokenId: token.id, accountId, name: "erased", hint: "" },
        afterJson: '{"of":"the account"}',
      },
    ]);
  });

  test("is deleted at its age", async () => {
    const { store } = bench();
    const inAYear = NOW + 400 * DAY_MS;
    await createAccount(store, { name: "old", now: NOW, by: BY });
    await createAccount(store, { name: "new", now: inAYear, by: BY });
    const before = NOW + DAY_MS;
    expect(await retain(store, { kind: "audit_entries", before, cursor: "" })).toMatchObject({
      cursor: undefined,
    });
    expect((await list({ action: BY.action })).map(({ createdAt }) => createdAt)).toEqual([inAYear]);
  });

  test("is read by each filter along an index, however long it is", async () => {
    const { store, url } = bench();
    const rows = Array.from({ length: 5_000 }, (_, i) => ({
      id: newAuditEntryId(NOW + i * MINUTE_MS),
      account_id: (2 + (i % 5)) as AccountId,
      actor: "token" as const,
      actor_account_id: 1 as AccountId,
      token_id: (i % 7) as TokenId,
      token_name: "t",
      token_hint: "pht_abcd",
      action: `action ${i % 3}`,
      subject: "subscription" as const,
      subject_id: String(i % 11),
      before_json: null,
      after_json: null,
      created_at: NOW + i * MINUTE_MS,
    }));
    await transact(store, (tx) => insertRows(tx, "audit_entries", rows));
    const single = await openStore({ url, poolSize: 1 });
    const filters: AuditFilter[] = [
      ...[{}, { accountId: 3 as AccountId }, { action: "action 1" }, { tokenId: 4 as TokenId }],
      { subject: "subscription", subjectId: "5" },
      { from: NOW + 100 * MINUTE_MS, until: NOW + 200 * MINUTE_MS },
      { accountId: 3 as AccountId, until: NOW + 200 * MINUTE_MS },
    ];
    for (const filter of filters) {
      const reads = await measureReads(single, () =>
        listAuditEntries(single, { ...filter, limit: 20, examinedMax: 100 }),
      );
      // The entries to examine, their rows, and the end of the search.
      expect(reads.rows, JSON.stringify(filter)).toBeLessThan(500);
      expect(
        reads.plans.filter((plan) => plan.startsWith("SCAN audit_entries") && !plan.includes("USING")),
      ).toEqual([]);
      expect(reads.plans.filter((plan) => plan.includes("TEMP B-TREE"))).toEqual([]);
    }
    await closeStore(single);
    const both = { accountId: 3 as AccountId, tokenId: 4 as TokenId, action: "action 1" };
    const found: string[] = [];
    for (let before: { before?: never } | { before: (typeof rows)[number]["id"] } = {}; ; ) {
      const page = await listAuditEntries(store, { ...both, ...before, limit: 10, examinedMax: 50 });
      found.push(...page.rows.map(({ id }) => id));
      const last = page.rows.length === 10 ? page.rows.at(-1)?.id : page.examinedTo;
      if (last === undefined) break;
      before = { before: last };
    }
    const wanted = rows.filter(
      (row) => row.account_id === 3 && row.token_id === 4 && row.action === "action 1",
    );
    expect(found).toEqual(wanted.map(({ id }) => id).reverse());
  });
});
