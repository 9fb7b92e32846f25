import { createHash } from "node:crypto";
import { type DeliveryId, EGRESS_PORTS_DEFAULT, parseNetworks, type SubscriptionId } from "@posthaste/domain";
import { createEgress } from "@posthaste/egress";
import type { Log } from "@posthaste/runtime";
import {
  cancelDelivery,
  claimDeliveries,
  createAccount,
  createAttemptLedger,
  createSubscription,
  getDelivery,
  ingestEvents,
  listAttempts,
  listDeliveries,
  resendDelivery,
} from "@posthaste/store";
import {
  createTestStore,
  failedAttempt,
  poison,
  type Receiver,
  recordAttempt,
  startReceiver,
  type TestStore,
} from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { attemptDelivery } from "../src/activities/attempt-delivery.ts";
import { attemptDirectly } from "../src/activities/attempt-directly.ts";
import type { AttemptDeps } from "../src/activities/make-attempt.ts";
import { createShares } from "../src/activities/shares.ts";

describe.each(["sqlite", "mysql"] as const)(
  "a delivery that no repetition can bring to its end, on %s",
  (backend) => {
    let database: TestStore;
    let receiver: Receiver;
    let egress: ReturnType<typeof createEgress>;
    let deps: AttemptDeps;
    let lines: { event: string; fields: Readonly<Record<string, unknown>> }[];
    let counted: string[];
    let accountId: Awaited<ReturnType<typeof createAccount>>["id"];
    let subscriptionId: SubscriptionId;

    beforeEach(async () => {
      database = await createTestStore(backend);
      receiver = await startReceiver();
      egress = createEgress({
        rules: { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT },
      });
      lines = [];
      counted = [];
      const add = (event: string, fields: Readonly<Record<string, unknown>> = {}) =>
        void lines.push({ event, fields });
      const log: Log = { info: add, warn: add, error: (event) => add(event), with: () => log };
      const { store } = database;
      deps = {
        store,
        ledger: createAttemptLedger(store),
        log,
        egress: egress.post,
        now: () => Date.now(),
        concurrencyDefault: 32,
        shares: { first: createShares(10), retries: createShares(10) },
        observer: {
          attempted: () => {},
          faulted: () => void counted.push("faulted"),
          lackedKey: () => {},
          gaveUp: (why) => void counted.push(why),
          waited: () => {},
          handedOutEarly: () => {},
          recovered: () => {},
          deleted: () => {},
        },
      };
      accountId = (await createAccount(store, { name: "test", now: Date.now() })).id;
      const subscription = await createSubscription(store, {
        accountId,
        targetUrl: `${receiver.url}?key=hush`,
        eventTypes: ["invoice_sent"],
        credential: null,
        acceptance: "OK_ONLY",
        timeoutMs: null,
        now: Date.now(),
      });
      subscriptionId = subscription.id;
    });
    afterEach(async () => {
      vi.restoreAllMocks();
      egress.close();
      await receiver.stop();
      await database.dispose();
    });

    async function claimedDelivery(): Promise<DeliveryId> {
      const { store } = database;
      const event = { eventType: "invoice_sent", data: Buffer.from('{"a":1}'), idempotencyKey: null };
      const now = Date.now();
      await ingestEvents(store, { accountId, now, deliveriesMax: 10, events: [event] });
      await claimDeliveries(store, {
        owner: "test",
        limit: 10,
        inFlightMax: 10,
        leaseMs: 60_000,
        now: () => now,
      });
      const [delivery] = await listDeliveries(store, { accountId, subscriptionId, limit: 1 });
      if (delivery === undefined) throw new Error("ingest created no delivery");
      return delivery.id;
    }
    const stateOf = async (id: DeliveryId) => await getDelivery(database.store, { accountId, id });

    for (const [lane, attempt] of [
      [
        "workflow",
        async (id: DeliveryId) =>
          void (await attemptDelivery(deps, { deliveryId: id }, { number: 1, shares: deps.shares.first })),
      ],
      ["direct", async (id: DeliveryId) => void (await attemptDirectly(deps, { deliveryId: id }))],
    ] as const) {
      test(`is cancelled with a reason if its event does not exist, in the lane ${lane}`, async () => {
        const id = await claimedDelivery();
        await database.store.db.deleteFrom("events").execute();
        await attempt(id);
        expect(await stateOf(id)).toMatchObject({
          state: "cancelled",
          endedReason: "its event does not exist",
          attempts: 0,
        });
        expect(receiver.requests).toHaveLength(0);
        expect(counted).toEqual(["orphaned"]);
        expect(lines.map(({ event }) => event)).toContain("delivery.given_up");
      });

      test(`is not sent once a 410 has ended its subscription, also before upkeep, in the lane ${lane}`, async () => {
        const [first, second] = [await claimedDelivery(), await claimedDelivery()];
        receiver.answer({ kind: "status", status: 410 });
        await attempt(first);
        expect(await stateOf(second)).toMatchObject({ state: "pending" });
        await attempt(second);
        expect(await stateOf(second)).toMatchObject({
          state: "cancelled",
          endedReason: "its subscription has ended",
          attempts: 0,
        });
        expect(receiver.requests).toHaveLength(1);
      });

      test(`is sent once and cancelled if its answer cannot be recorded, in the lane ${lane}`, async () => {
        const id = await claimedDelivery();
        const { heal } = await poison(database.store, {
          table: "attempts",
          on: "insert",
          condition: `new.delivery_id = '${id}'`,
        });
        for (let n = 0; n < 3; n++) await attempt(id);
        expect(receiver.requests).toHaveLength(1);
        expect(await stateOf(id)).toMatchObject({
          state: "cancelled",
          endedReason: expect.stringContaining("the database refuses to record it: the receiver accepted"),
        });
        expect(counted).toEqual(["unrecorded"]);

        // Nothing is lost: it can be sent again.
        await heal();
        const again = await resendDelivery(database.store, { accountId, id, now: Date.now() });
        expect(again).toMatchObject({ resent: true, delivery: { state: "pending" } });
      });
    }

    test("is counted as given up although the answer to its cancellation is lost", async () => {
      const id = await claimedDelivery();
      const { store } = database;
      await poison(store, { table: "attempts", on: "insert", condition: `new.delivery_id = '${id}'` });
      const reason =
        "attempt 1 was sent, but the database refuses to record it: the receiver accepted the delivery with status 200";
      const { record } = deps.ledger;
      // As if a first cancellation had been made, and its answer was lost.
      const recordThenCancel: typeof record = async (answer) =>
        await record(answer).finally(async () => {
          if (answer.attempt.detail === null) return;
          await cancelDelivery(store, { id, reason, now: Date.now() });
        });
      deps = { ...deps, ledger: { ...deps.ledger, record: recordThenCancel } };
      await attemptDelivery(deps, { deliveryId: id }, { number: 1, shares: deps.shares.first });
      expect(counted).toEqual(["unrecorded"]);
      expect(await stateOf(id)).toMatchObject({ state: "cancelled", endedReason: reason });
    });

    test("goes on if another run of the attempt was recorded, although this one cannot be", async () => {
      const id = await claimedDelivery();
      const now = Date.now();
      const { store } = database;
      const condition = `new.delivery_id = '${id}' and new.outcome = 'accepted'`;
      await poison(store, { table: "attempts", on: "insert", condition });
      const { record } = deps.ledger;
      const recordAfterAnother: typeof record = async (answer) => {
        const failed = failedAttempt({ startedAt: now });
        const ended = { state: "started", nextAttemptAt: now + 600_000, endedReason: null } as const;
        // It is refused once more; only then, the other run's answer comes.
        return await record(answer).finally(async () => {
          if (answer.attempt.detail !== null) {
            await recordAttempt(store, { deliveryId: id, attempt: failed, ...ended, now });
          }
        });
      };
      deps = { ...deps, ledger: { ...deps.ledger, record: recordAfterAnother } };
      const attempt = attemptDelivery(deps, { deliveryId: id }, { number: 1, shares: deps.shares.first });
      await expect(attempt).rejects.toMatchObject({ type: "AttemptFailed" });
      expect(await stateOf(id)).toMatchObject({ state: "started", attempts: 1, endedReason: null });
      expect(counted).toEqual([]);
    });

    test("is not sent again by the same process if nothing can be written, and is recorded later", async () => {
      const id = await claimedDelivery();
      const condition = `new.delivery_id = '${id}'`;
      const attempts = await poison(database.store, { table: "attempts", on: "insert", condition });
      const changes = await poison(database.store, { table: "delivery_changes", on: "insert", condition });
      for (let n = 0; n < 3; n++) {
        await expect(
          attemptDelivery(deps, { deliveryId: id }, { number: 1, shares: deps.shares.first }),
        ).rejects.toMatchObject({ type: "Fault" });
      }
      expect(receiver.requests).toHaveLength(1);
      expect(await stateOf(id)).toMatchObject({ state: "pending", attempts: 0 });
      await attempts.heal();
      await changes.heal();
      await attemptDelivery(deps, { deliveryId: id }, { number: 1, shares: deps.shares.first });
      expect(receiver.requests).toHaveLength(1);
      expect(await stateOf(id)).toMatchObject({ state: "succeeded", attempts: 1 });
    });

    test("is kept if its answer cannot be recorded for a reason that does not blame the answer", async () => {
      const id = await claimedDelivery();
      const real = deps.ledger;
      const steady = performance.now.bind(performance);
      let laterMs = 0;
      vi.spyOn(performance, "now").mockImplementation(() => steady() + laterMs);
      const record = () => {
        // No time is left to try again.
        laterMs += 60_000;
        return Promise.reject(new TypeError("a bug of ours, or a table of another release"));
      };
      deps = { ...deps, ledger: { ...real, record } };
      const attempt = () =>
        attemptDelivery(deps, { deliveryId: id }, { number: 1, shares: deps.shares.first });
      await expect(attempt()).rejects.toMatchObject({ type: "Fault" });
      expect(await stateOf(id)).toMatchObject({ state: "pending", attempts: 0 });
      deps = { ...deps, ledger: real };
      await attempt();
      expect(receiver.requests).toHaveLength(1);
      expect(await stateOf(id)).toMatchObject({ state: "succeeded", attempts: 1 });
      expect(counted).toEqual(["faulted"]);
    });

    test("is recorded without its answer's content if the database refuses only that", async () => {
      const id = await claimedDelivery();
      const condition = `new.delivery_id = '${id}' and new.address is not null`;
      await poison(database.store, { table: "attempts", on: "insert", condition });
      await attemptDelivery(deps, { deliveryId: id }, { number: 1, shares: deps.shares.first });
      expect(await stateOf(id)).toMatchObject({ state: "succeeded", attempts: 1 });
      const logged = await listAttempts(database.store, { accountId, deliveryId: id });
      expect(logged).toMatchObject([
        { number: 1, outcome: "accepted", status: 200, responseHeaders: [], address: null },
      ]);
      expect(logged?.[0]?.detail).toContain("the database refused");
      // What the log does not keep of the URL still tells it from others.
      expect(logged?.[0]?.targetUrl).not.toContain("hush");
      const hash = createHash("sha256").update(`${receiver.url}?key=hush`).digest();
      expect(logged?.[0]?.targetHash).toEqual(hash);
      expect(counted).toEqual([]);
    });
  },
);
