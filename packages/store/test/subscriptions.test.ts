import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { poison, TEST_SECRET_KEYS } from "@posthaste/testkit";
import type { KyselyPlugin } from "kysely";
import { describe, expect, test } from "vitest";
import {
  closeStore,
  createAccount,
  createSubscription,
  endSubscription,
  endSubscriptionsByUrl,
  getSubscription,
  listDeliveries,
  listSubscriptions,
  type NewSubscription,
  openStore,
  parseSealingKeys,
  type Store,
  type Subscription,
  type SubscriptionOptions,
  updateSubscription,
} from "../src/index.ts";
import { openHeaders } from "../src/subscriptions/subscription-options.ts";
import { NOW, onEachDatabase } from "./fixture.ts";
import { holdAfter } from "./held-store.ts";

const targetUrl = "https://receiver.example/hook";

onEachDatabase("a subscription", (bench) => {
  test("and its line, without which nothing could be claimed, are created both or neither", async () => {
    const { store, subscribe } = bench();
    const lines = async () => {
      const [subscriptions, turns] = [
        await store.db.selectFrom("subscriptions").select("id").execute(),
        await store.db.selectFrom("turns").select("subscription_id as id").execute(),
      ];
      expect(turns).toEqual(subscriptions);
      return turns.length;
    };
    const { heal } = await poison(store, {
      table: "subscription_event_types",
      on: "insert",
      condition: "new.event_type = 'invoice_sent'",
    });
    await expect(subscribe()).rejects.toThrow();
    expect(await lines()).toBe(0);
    await heal();
    await subscribe();
    expect(await lines()).toBe(1);
  });

  test("is stored as requested and does not reveal its credential", async () => {
    const { store, accountId } = bench();
    const created = await createSubscription(store, {
      accountId,
      targetUrl,
      eventTypes: ["invoice_sent", "contact_created"],
      credential: "hush",
      acceptance: "ANY_2XX",
      timeoutMs: 5_000,
      now: NOW,
    });
    expect(created).toMatchObject({
      targetUrl,
      eventTypes: ["contact_created", "invoice_sent"],
      state: "active",
      acceptance: "ANY_2XX",
      timeoutMs: 5_000,
      hasCredential: true,
    });
    const { signingKey, ...subscription } = created;
    expect(await getSubscription(store, { accountId, id: created.id })).toEqual(subscription);
    expect(signingKey).toMatchObject({ createdAt: NOW, expiresAt: null });
    expect(JSON.stringify(created)).not.toContain("hush");
  });

  test("keeps its description, metadata and headers until they are changed", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const update = (options: Partial<SubscriptionOptions>) =>
      updateSubscription(store, { accountId, id, now: NOW, ...options });
    expect(await getSubscription(store, { accountId, id })).toMatchObject({
      description: "",
      metadata: {},
      headerNames: [],
    });
    await update({ description: "ours", metadata: { team: "a" }, headers: { "x-b": "1", "x-a": "2" } });
    expect(await update({ acceptance: "ANY_2XX" })).toMatchObject({
      description: "ours",
      metadata: { team: "a" },
      headerNames: ["x-a", "x-b"],
      acceptance: "ANY_2XX",
    });
    expect(await update({ description: "", metadata: {}, headers: {} })).toMatchObject({
      description: "",
      metadata: {},
      headerNames: [],
      acceptance: "ANY_2XX",
    });
  });

  test("keeps the values of the headers that are neither set nor removed", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    await updateSubscription(store, {
      ...{ accountId, id, now: NOW },
      headers: { "x-a": "1", "x-b": "2", "x-c": "3" },
    });
    const sent = async () => {
      const row = await store.db
        .selectFrom("subscriptions")
        .selectAll()
        .where("id", "=", id)
        .executeTakeFirst();
      return row && openHeaders(store, row);
    };
    const change = (set: Record<string, string>, remove: string[]) =>
      updateSubscription(store, { accountId, id, now: NOW, headerChanges: { set, remove } });
    expect(await change({ "X-B": "4", "x-d": "5" }, ["X-A"])).toMatchObject({
      headerNames: ["x-b", "x-c", "x-d"],
    });
    expect(await sent()).toEqual({ "x-b": "4", "x-c": "3", "x-d": "5" });
    await expect(change({ host: "a" }, [])).rejects.toMatchObject({ code: "invalid" });
    expect(await sent()).toEqual({ "x-b": "4", "x-c": "3", "x-d": "5" });
    expect(await change({}, ["x-b", "x-c", "x-d"])).toMatchObject({ headerNames: [] });
    expect(await sent()).toEqual({});
    expect(await change({ "x-e": "6" }, [])).toMatchObject({ headerNames: ["x-e"] });
  });

  test("is refused if a live one has the same URL and type, but not if that one has ended", async () => {
    const { store, accountId, subscribe } = bench();
    const first = await subscribe({ targetUrl, eventTypes: ["invoice_sent", "invoice_created"] });
    await expect(subscribe({ targetUrl, eventTypes: ["invoice_created"] })).rejects.toMatchObject({
      code: "already_exists",
      field: "target_url",
    });
    await subscribe({ targetUrl, eventTypes: ["contact_created"] });
    const other = await createAccount(store, { name: "other", now: NOW });
    await subscribe({ accountId: other.id, targetUrl, eventTypes: ["invoice_created"] });
    await endSubscription(store, { accountId, id: first.id, reason: "test", now: NOW });
    await subscribe({ targetUrl, eventTypes: ["invoice_created"] });
    expect(await listSubscriptions(store, { accountId, limit: 10 })).toHaveLength(2);
  });

  test("is refused beyond the account's limit, even for many concurrent callers", async () => {
    const { store, accountId } = bench();
    const create = (n: number) =>
      createSubscription(store, {
        accountId,
        targetUrl: `${targetUrl}/${n}`,
        eventTypes: ["invoice_sent"],
        credential: null,
        acceptance: "OK_ONLY",
        timeoutMs: null,
        subscriptionsMax: 3,
        now: NOW,
      });
    const results = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => create(n)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "too_many" });
    }
  });

  test("requested by ten callers at once through two stores is created once", async () => {
    const { store, url, accountId } = bench();
    const second = await openStore({ url, secretKeys: parseSealingKeys(TEST_SECRET_KEYS) });
    try {
      const results = await Promise.allSettled(
        Array.from({ length: 10 }, (_, i) =>
          createSubscription(i % 2 === 0 ? store : second, {
            accountId,
            targetUrl,
            eventTypes: ["invoice_sent", "invoice_created"],
            credential: null,
            acceptance: "OK_ONLY",
            timeoutMs: null,
            now: NOW,
          }),
        ),
      );
      expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
      for (const result of results) {
        if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "already_exists" });
      }
      expect(await listSubscriptions(store, { accountId, limit: 10 })).toHaveLength(1);
    } finally {
      await closeStore(second);
    }
  });

  test("changes only the given fields", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id } = await subscribe({ targetUrl, eventTypes: ["invoice_sent", "contact_created"] });
    const changed = await updateSubscription(store, {
      accountId,
      id,
      now: NOW + 1,
      eventTypes: ["contact_created", "task_created"],
      timeoutMs: 2_000,
    });
    expect(changed).toMatchObject({
      targetUrl,
      eventTypes: ["contact_created", "task_created"],
      timeoutMs: 2_000,
      acceptance: "OK_ONLY",
    });
    expect((await ingest({ eventType: "invoice_sent" })).deliveryCount).toBe(0);
    expect((await ingest({ eventType: "task_created" })).deliveryCount).toBe(1);
  });

  test("moved to another URL is checked for duplicates there, and its old URL becomes free", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const moved = await subscribe({ targetUrl });
    const elsewhere = await subscribe({ targetUrl: "https://elsewhere.example/" });
    await expect(
      updateSubscription(store, { accountId, id: moved.id, now: NOW, targetUrl: elsewhere.targetUrl }),
    ).rejects.toMatchObject({ code: "already_exists" });
    await updateSubscription(store, { accountId, id: moved.id, now: NOW, targetUrl: "https://new.example/" });
    await subscribe({ targetUrl });
    expect((await ingest()).deliveryCount).toBe(3);
  });

  test("of another account is not found", async () => {
    const { store, subscribe } = bench();
    const { id } = await subscribe();
    const other = await createAccount(store, { name: "other", now: NOW });
    const theirs = { accountId: other.id, id };
    expect(await getSubscription(store, theirs)).toBeUndefined();
    expect(await updateSubscription(store, { ...theirs, now: NOW, timeoutMs: 1_000 })).toBeUndefined();
    expect(await endSubscription(store, { ...theirs, reason: "test", now: NOW })).toBeUndefined();
    expect(await listSubscriptions(store, { accountId: other.id, limit: 10 })).toEqual([]);
  });

  test("stays ended, keeps its event types, and cannot be changed", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const first = await endSubscription(store, { accountId, id, reason: "test", now: NOW + 1 });
    const second = await endSubscription(store, { accountId, id, reason: "again", now: NOW + 2 });
    expect(first).toMatchObject({ state: "ended", endedAt: NOW + 1, eventTypes: ["invoice_sent"] });
    expect(second).toEqual(first);
    await expect(
      updateSubscription(store, { accountId, id, now: NOW, timeoutMs: 1_000 }),
    ).rejects.toMatchObject({
      code: "wrong_state",
    });
  });

  test("that has ended is listed on demand, between the live ones, by the event types that it had", async () => {
    const { store, accountId, subscribe } = bench();
    const ids: SubscriptionId[] = [];
    for (let i = 0; i < 4; i++) ids.push((await subscribe({ eventTypes: ["invoice_sent"] })).id);
    const [first, second, third, last] = ids as [
      SubscriptionId,
      SubscriptionId,
      SubscriptionId,
      SubscriptionId,
    ];
    const change = { accountId, id: second, eventTypes: ["bill_paid"], now: NOW + 1 };
    await updateSubscription(store, change);
    for (const id of [second, third]) await endSubscription(store, { accountId, id, now: NOW + 2 });
    const list = async (filter: object) =>
      (await listSubscriptions(store, { accountId, limit: 10, ...filter })).map(({ id }) => id);
    expect(await list({})).toEqual([first, last]);
    expect(await list({ includeEnded: true })).toEqual(ids);
    expect(await list({ includeEnded: true, after: first, limit: 2 })).toEqual([second, third]);
    expect(await list({ includeEnded: true, eventType: "invoice_sent" })).toEqual([first, third, last]);
    expect(await list({ includeEnded: true, eventType: "bill_paid" })).toEqual([second]);
    expect(await getSubscription(store, { accountId, id: third })).toMatchObject({
      endedAt: NOW + 2,
      endedReason: "deleted by an operator",
    });
  });

  test("is ended by URL together with the others there", async () => {
    const { store, accountId, subscribe } = bench();
    await subscribe({ targetUrl, eventTypes: ["invoice_sent"] });
    await subscribe({ targetUrl, eventTypes: ["contact_created"] });
    await subscribe({ targetUrl: `${targetUrl}/other` });
    const end = () => endSubscriptionsByUrl(store, { accountId, targetUrl, reason: "test", now: NOW });
    expect(await end()).toEqual({ ended: 2, known: true });
    expect(await end()).toEqual({ ended: 0, known: true });
    expect(await listSubscriptions(store, { accountId, limit: 10 })).toHaveLength(1);
  });
});

onEachDatabase("a list of subscriptions", (bench) => {
  test("reads the event types of few subscriptions at a time", async () => {
    const { store, accountId, subscribe } = bench();
    const eventTypes = Array.from({ length: 64 }, (_, n) => `type_${n}`).sort();
    // As many as one statement reads, and another.
    for (let n = 0; n < 32; n++) await subscribe({ eventTypes });
    await subscribe({ eventTypes: ["invoice_sent"] });
    const { store: watched, rows } = watchingEventTypes(store);
    const listed = await listSubscriptions(watched, { accountId, limit: 501 });
    expect(listed.map((one) => one.eventTypes)).toEqual([...Array(32).fill(eventTypes), ["invoice_sent"]]);
    expect(rows).toEqual([32, 1]);
  });

  test("is as long as asked, although some end while it is read", async () => {
    const { store, url, accountId, subscribe } = bench();
    const ids: SubscriptionId[] = [];
    for (let n = 0; n < 4; n++) ids.push((await subscribe()).id);
    const held = await holdAfter(url, /from subscriptions .*where account_id = /);
    try {
      const listing = listSubscriptions(held.store, { accountId, limit: 3 });
      await held.stopped;
      await endSubscription(store, { accountId, id: ids[1] as SubscriptionId, reason: "test", now: NOW });
      held.goOn();
      expect((await listing).map(({ id }) => id)).toEqual([ids[0], ids[2], ids[3]]);
    } finally {
      await held.close();
    }
  });
});

onEachDatabase("a subscription that changes while it is read", (bench) => {
  const reads: [string, (store: Store, accountId: AccountId, id: SubscriptionId) => Promise<unknown>][] = [
    ["by its id", (store, accountId, id) => getSubscription(store, { accountId, id })],
    ["in a list", async (store, accountId) => (await listSubscriptions(store, { accountId, limit: 5 }))[0]],
  ];

  describe.each(reads)("%s", (_how, read) => {
    test.each<[string, Parameters<typeof change>[1]]>([
      ["ends", "end"],
      ["gets another URL and other event types", "update"],
    ])("and %s is shown as it was at one time", async (_what, kind) => {
      const { store, url, accountId, subscribe } = bench();
      const before: Subscription = await subscribe({ eventTypes: ["invoice_sent", "contact_created"] });
      const held = await holdAfter(url, /from subscriptions where (id (=|in) |state != )/);
      try {
        const reading = read(held.store, accountId, before.id);
        await held.stopped;
        await change(bench(), kind, before.id);
        held.goOn();
        const { signingKey: _, ...asBefore } = before as NewSubscription;
        expect(await reading).toEqual(asBefore);
        expect(await getSubscription(store, { accountId, id: before.id })).not.toEqual(asBefore);
      } finally {
        await held.close();
      }
    });
  });

  async function change(
    { store, accountId }: ReturnType<typeof bench>,
    kind: "end" | "update",
    id: SubscriptionId,
  ): Promise<void> {
    const change = { accountId, id, now: NOW + 1 };
    if (kind === "end") await endSubscription(store, { ...change, reason: "test" });
    else await updateSubscription(store, { ...change, targetUrl, eventTypes: ["task_created"] });
  }
});

/** A store that counts the subscriptions whose event types each statement returns. */
function watchingEventTypes(store: Store) {
  const rows: number[] = [];
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      const withTypes = result.rows.filter((row) => "event_types" in row);
      if (withTypes.length > 0) rows.push(withTypes.length);
      return result;
    },
  };
  return { store: { ...store, db: store.db.withPlugin(plugin) }, rows };
}

onEachDatabase("a list of deliveries", (bench) => {
  test("is sorted newest first, and supports pages and filters", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const one = await subscribe({ eventTypes: ["invoice_sent"] });
    const two = await subscribe({ eventTypes: ["*"] });
    const events = [];
    for (let i = 0; i < 5; i++) events.push((await ingest({ now: NOW + i * 1_000 })).eventId);
    const list = (over: Partial<Parameters<typeof listDeliveries>[1]>) =>
      listDeliveries(store, { accountId, limit: 100, ...over });

    const all = await list({});
    expect(all).toHaveLength(10);
    expect(all.map((row) => row.id)).toEqual(
      all
        .map((row) => row.id)
        .sort()
        .reverse(),
    );
    const first = await list({ limit: 4 });
    const rest = await list({ before: first[3]?.id as never });
    expect([...first, ...rest]).toEqual(all);

    expect(await list({ subscriptionId: one.id })).toHaveLength(5);
    expect(await list({ eventId: events[2] as never })).toHaveLength(2);
    expect(await list({ subscriptionId: two.id, eventId: events[2] as never })).toHaveLength(1);
    expect(await list({ state: "pending" })).toHaveLength(10);
    expect(await list({ state: "started" })).toHaveLength(0);
    expect(await list({ createdFrom: NOW + 1_000, createdBefore: NOW + 3_000 })).toHaveLength(4);
    const other = await createAccount(store, { name: "other", now: NOW });
    expect(await list({ accountId: other.id })).toHaveLength(0);
  });
});
