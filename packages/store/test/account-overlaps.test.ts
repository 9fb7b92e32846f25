import type { DeliveryId, SubscriptionId } from "@posthaste/domain";
import { HOUR_MS } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { transact } from "../src/database/transact.ts";
import {
  adoptStrays,
  authenticate,
  cancelDelivery,
  createErasure,
  createEventType,
  createPortalLink,
  createRecovery,
  createSubscription,
  createTestDelivery,
  createToken,
  endSubscription,
  getSubscription,
  LIVE_SIGNING_KEYS_MAX,
  listDeliveries,
  listSigningKeys,
  listSubscriptions,
  openPortalLink,
  pauseSubscription,
  resendDelivery,
  resumeSubscription,
  rotateSigningKey,
  type Store,
  updateEventType,
  updateSubscription,
} from "../src/index.ts";
import { type Bench, benchOn, deliveriesOf, NOW, onEachDatabase } from "./fixture.ts";
import { holdAfter, overlap } from "./held-store.ts";

/*
 * Two processes change an account's subscriptions, secrets or event types, and overlap where it matters most:
 * one has read what it decides by, and has not committed yet. On SQLite writers take turns as a whole.
 */

const LATER = NOW + 30_000;

let own: TestStore;
let bench: Bench;
let id: SubscriptionId;
beforeEach(async () => {
  own = await createTestStore("mysql");
  bench = await benchOn(own);
  id = (await bench.subscribe()).id;
});
afterEach(() => own.dispose());

async function cancelledDelivery(): Promise<DeliveryId> {
  const [delivery] = await deliveriesOf(bench.store, (await bench.ingest()).eventId);
  if (delivery === undefined) throw new Error("no delivery");
  await cancelDelivery(bench.store, { id: delivery.id, reason: "by hand", now: NOW });
  return delivery.id;
}

/** Returns what a call throws. */
const failure = async (call: Promise<unknown>) =>
  await call.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("a subscription on MySQL that is being ended", () => {
  type Case = [what: string, act: (store: Store, delivery: DeliveryId) => Promise<unknown>];
  const of = () => ({ accountId: bench.accountId, id, now: LATER });
  const cases: Case[] = [
    ["paused", (store) => pauseSubscription(store, of())],
    ["resumed", (store) => resumeSubscription(store, of())],
    ["changed", (store) => updateSubscription(store, { ...of(), timeoutMs: 5_000 })],
    ["given a new key", (store) => rotateSigningKey(store, { ...of(), overlapMs: HOUR_MS })],
    [
      "tested",
      (store) =>
        createTestDelivery(store, {
          ...of(),
          subscriptionId: id,
          eventType: "test",
          data: Buffer.from("{}"),
        }),
    ],
    ["sent a delivery again", (store, delivery) => resendDelivery(store, { ...of(), id: delivery })],
    [
      "recovered",
      (store) =>
        createRecovery(store, {
          ...of(),
          kind: "recover",
          subscriptionId: id,
          sinceAt: 0,
          untilAt: LATER,
          isDryRun: false,
          ratePerSecond: 1,
        }),
    ],
  ];

  test.each(cases)("cannot be %s any more, and stays as it ended", async (_what, act) => {
    const delivery = await cancelledDelivery();
    // `resumed` and `recovered` resume a paused one.
    await pauseSubscription(bench.store, of());
    const { second, rolledBack } = await overlap(
      bench,
      /^update subscriptions set state/,
      (held) => endSubscription(held, { ...of(), reason: "by hand" }),
      (other) => failure(act(other, delivery)),
    );
    expect(second).toMatchObject({ code: "wrong_state" });
    expect(rolledBack).toBe(0);
    const { store, accountId } = bench;
    expect(await getSubscription(store, { accountId, id })).toMatchObject({
      state: "ended",
      isDraining: false,
      updatedAt: LATER,
    });
    const left = await store.db.selectFrom("deliveries").select("id").execute();
    expect(left).toEqual([{ id: delivery }]);
    expect(await store.db.selectFrom("signing_keys").select("id").execute()).toEqual([]);
    expect(await store.db.selectFrom("recoveries").select("id").execute()).toEqual([]);
  });

  test("is not drained again for a delivery that was parked late", async () => {
    const held = await holdAfter(own.url, /from subscriptions/);
    try {
      const adopting = adoptStrays(held.store, id);
      await held.stopped;
      await endSubscription(bench.store, { ...of(), reason: "by hand" });
      held.goOn();
      expect(await adopting).toBe(false);
      const { store, accountId } = bench;
      expect(await getSubscription(store, { accountId, id })).toMatchObject({ isDraining: false });
    } finally {
      await held.close();
    }
  });
});

describe("two callers on MySQL", () => {
  test("resend a delivery once, and the second gets the first one's", async () => {
    const { store, accountId } = bench;
    const delivery = await cancelledDelivery();
    const resend = (through: Store) => resendDelivery(through, { accountId, id: delivery, now: LATER });
    const { first, second } = await overlap(bench, /^insert into deliveries/, resend, resend);
    expect(first).toMatchObject({ resent: true });
    expect(second).toEqual({ ...first, resent: false });
    expect(await listDeliveries(store, { accountId, state: "pending", limit: 10 })).toHaveLength(1);
  });

  test("rotate keys one after another, and no more are live than may be", async () => {
    const { store, accountId } = bench;
    const rotate = (through: Store) =>
      rotateSigningKey(through, { accountId, id, overlapMs: HOUR_MS, now: NOW });
    for (let keys = 1; keys < LIVE_SIGNING_KEYS_MAX - 1; keys++) await rotate(store);
    const { second, rolledBack } = await overlap(
      bench,
      /^select expires_at from signing_keys/,
      rotate,
      (other) => failure(rotate(other)),
    );
    expect(second).toMatchObject({ code: "wrong_state" });
    expect(rolledBack).toBe(0);
    const keys = (await listSigningKeys(store, { accountId, id, now: NOW })) ?? [];
    expect(keys).toHaveLength(LIVE_SIGNING_KEYS_MAX);
    expect(keys.filter(({ expiresAt }) => expiresAt === null)).toHaveLength(1);
  });

  test("cannot both create the last subscription that an account may have", async () => {
    const { store, accountId } = bench;
    let urls = 0;
    const create = (through: Store) =>
      createSubscription(through, {
        accountId,
        targetUrl: `https://receiver.example/last/${++urls}`,
        eventTypes: ["invoice_sent"],
        credential: null,
        acceptance: "OK_ONLY",
        timeoutMs: null,
        subscriptionsMax: 2,
        now: NOW,
      });
    const { second } = await overlap(bench, /as live from/, create, (other) => failure(create(other)));
    expect(second).toMatchObject({ code: "too_many" });
    expect(await listSubscriptions(store, { accountId, limit: 10 })).toHaveLength(2);
  });

  test("cannot both subscribe a URL to an event type, although both have found it free", async () => {
    const { store, accountId } = bench;
    const targetUrl = "https://receiver.example/same";
    const held = await holdAfter(own.url, /from subscription_event_types where live_key/);
    try {
      const creating = failure(
        createSubscription(held.store, {
          accountId,
          targetUrl,
          eventTypes: ["invoice_sent"],
          credential: null,
          acceptance: "OK_ONLY",
          timeoutMs: null,
          now: NOW,
        }),
      );
      await held.stopped;
      await updateSubscription(store, { accountId, id, targetUrl, now: NOW });
      held.goOn();
      expect(await creating).toMatchObject({ code: "already_exists", field: "target_url" });
    } finally {
      await held.close();
    }
    expect(await listSubscriptions(store, { accountId, limit: 10 })).toHaveLength(1);
  });

  test("cannot make a code both shared and an account's own", async () => {
    const texts = { description: "", schemaJson: "{}", sampleJson: "{}" };
    const create = (through: Store, owner: "shared" | typeof bench.accountId) =>
      createEventType(through, { owner, code: "parcel_sent", ...texts, now: NOW });
    const { second } = await overlap(
      bench,
      /^insert into event_type_versions/,
      (held) => create(held, "shared"),
      (other) => failure(create(other, bench.accountId)),
    );
    expect(second).toMatchObject({ code: "already_exists", field: "code" });
  });

  test("cannot both store the next version of an event type", async () => {
    const texts = { description: "", schemaJson: "{}", sampleJson: "{}" };
    const owner = bench.accountId;
    const { id: typeId } = await createEventType(bench.store, { owner, code: "sent", ...texts, now: NOW });
    const update = (through: Store) =>
      updateEventType(through, { id: typeId, owner, basedOn: 1, ...texts, now: LATER });
    const { first, second } = await overlap(bench, /^update event_types/, update, update);
    expect(first).toMatchObject({ version: 2 });
    expect(second).toBeUndefined();
  });
});

describe("a portal link on MySQL", () => {
  const link = (expiresAt = LATER) =>
    createPortalLink(bench.store, {
      accountId: bench.accountId,
      scopes: ["deliveries:read"],
      expiresAt,
      sessionMs: HOUR_MS,
      now: NOW,
    });

  test("opens one session, although both callers have found the link", async () => {
    const code = await link();
    const open = (store: Store) => openPortalLink(store, { code, now: NOW });
    const held = await holdAfter(own.url, /from portal_links/);
    try {
      const late = open(held.store);
      await held.stopped;
      expect(await open(bench.store)).toBeDefined();
      held.goOn();
      expect(await late).toBeUndefined();
    } finally {
      await held.close();
    }
    expect(await bench.store.db.selectFrom("tokens").select("id").execute()).toHaveLength(1);
  });

  test("that is being opened while the account's erasure is requested opens no lasting session", async () => {
    const code = await link();
    const { first } = await overlap(
      bench,
      /^delete from portal_links/,
      (held) => openPortalLink(held, { code, now: NOW }),
      (other) => createErasure(other, { accountId: bench.accountId, key: null, now: NOW }),
    );
    const secret = first?.secret ?? "";
    expect(secret).not.toBe("");
    expect(await authenticate(bench.store, secret, NOW + 1)).toBeUndefined();
  });
});

onEachDatabase("an account whose erasure was requested", (erased) => {
  test("gets no new token, link or event type, which nothing would delete once it is erased", async () => {
    const { store, accountId } = erased();
    await createErasure(store, { accountId, key: null, now: NOW });
    const refused = { code: "wrong_state", field: "account_id" };
    const token = { accountId, name: "late", scopes: [], expiresAt: null, now: NOW };
    expect(await failure(createToken(store, token))).toMatchObject(refused);
    const link = { accountId, scopes: [], expiresAt: LATER, sessionMs: HOUR_MS, now: NOW };
    expect(await failure(createPortalLink(store, link))).toMatchObject(refused);
    const texts = { description: "", schemaJson: "{}", sampleJson: "{}" };
    const type = { owner: accountId, code: "late", ...texts, now: NOW };
    expect(await failure(createEventType(store, type))).toMatchObject({ code: "unauthenticated" });
    for (const table of ["tokens", "portal_links", "event_types"] as const) {
      expect(await store.db.selectFrom(table).select("id").execute(), table).toEqual([]);
    }
  });
});

describe("a token on MySQL", () => {
  test("that is being created while the account's erasure is requested is revoked", async () => {
    const { accountId } = bench;
    const { first } = await overlap(
      bench,
      /^insert into tokens/,
      (held) => createToken(held, { accountId, name: "late", scopes: [], expiresAt: null, now: NOW }),
      (other) => createErasure(other, { accountId, key: null, now: NOW }),
    );
    expect(await authenticate(bench.store, first.secret, NOW + 1)).toBeUndefined();
  });
});

describe("a change of a subscription on MySQL", () => {
  test("keeps what another change has just written", async () => {
    const { store, accountId } = bench;
    await overlap(
      bench,
      /^update subscriptions set target_url/,
      (held) =>
        updateSubscription(held, { accountId, id, targetUrl: "https://receiver.example/new", now: LATER }),
      (other) => updateSubscription(other, { accountId, id, timeoutMs: 5_000, now: LATER + 1 }),
    );
    expect(await getSubscription(store, { accountId, id })).toMatchObject({
      targetUrl: "https://receiver.example/new",
      timeoutMs: 5_000,
    });
    // What it wants is found by the key of its URL: the old one is free, the new one is taken.
    await bench.subscribe({ targetUrl: "https://receiver.example/1" });
    const taken = bench.subscribe({ targetUrl: "https://receiver.example/new" });
    await expect(taken).rejects.toMatchObject({ code: "already_exists" });
  });
});

describe("a transaction on MySQL", () => {
  test("reads what others have committed since it began", async () => {
    const { store } = bench;
    const names = async (db: Pick<Store["db"], "selectFrom">) =>
      (await db.selectFrom("accounts").select("name").execute()).map(({ name }) => name);
    await transact(store, async (tx) => {
      expect(await names(tx)).toEqual(["first"]);
      await store.db.updateTable("accounts").set({ name: "second" }).execute();
      expect(await names(tx)).toEqual(["second"]);
    });
  });

  test("does not lock rows that do not exist, so inserts beside it do not wait", async () => {
    const { store, accountId } = bench;
    const slot = (n: number) => ({ subscription_id: id, account_id: accountId, slot: n, taken: 1 });
    await store.db
      .insertInto("turn_slots")
      .values([slot(1), slot(9)])
      .execute();
    await transact(store, async (tx) => {
      const read = tx.selectFrom("turn_slots").selectAll().where("subscription_id", "=", id);
      await read.where("slot", ">", 1).where("slot", "<", 9).forUpdate().execute();
      await tx.deleteFrom("turn_slots").where("subscription_id", "=", id).where("slot", "=", 5).execute();
      await store.db.insertInto("turn_slots").values(slot(5)).execute();
    });
    expect(await store.db.selectFrom("turn_slots").select("slot").execute()).toHaveLength(3);
  });
});
