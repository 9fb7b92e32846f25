import {
  type AccountId,
  type DeliveryId,
  EGRESS_PORTS_DEFAULT,
  MINUTE_MS,
  parseNetworks,
  type SubscriptionId,
} from "@posthaste/domain";
import { createEgress } from "@posthaste/egress";
import { silentLog } from "@posthaste/runtime";
import {
  cancelDelivery,
  createAccount,
  createAttemptLedger,
  createSubscription,
  drainSubscription,
  getDelivery,
  ingestEvents,
  listDeliveries,
  parkDelivery,
  pauseSubscription,
  requestRetry,
  resumeSubscription,
} from "@posthaste/store";
import {
  createTestStore,
  failedAttempt,
  type Receiver,
  recordAttempt,
  startReceiver,
  type TestStore,
} from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { attemptDelivery } from "../src/activities/attempt-delivery.ts";
import { attemptDirectly } from "../src/activities/attempt-directly.ts";
import type { AttemptDeps } from "../src/activities/make-attempt.ts";
import { createShares } from "../src/activities/shares.ts";
import { ATTEMPT_FAILED, FAULT, NOT_YET } from "../src/names.ts";

const NOW = 1_780_000_000_000;

/*
 * Two runs of one attempt: the lease of the first ran out on a busy machine, or its worker was taken for
 * dead. The second has read the row before the first one was recorded.
 */
describe.each(["sqlite", "mysql"] as const)("an attempt that another run overtakes, on %s", (backend) => {
  let database: TestStore;
  let receiver: Receiver;
  let egress: ReturnType<typeof createEgress>;
  let deps: AttemptDeps;
  let accountId: AccountId;
  let subscriptionId: SubscriptionId;
  /** What happens once the run has read the row, and before it reads the row again. */
  let meanwhile: (() => Promise<unknown>) | undefined;
  let thereafter: (() => Promise<unknown>) | undefined;

  beforeEach(async () => {
    database = await createTestStore(backend);
    receiver = await startReceiver();
    egress = createEgress({
      rules: { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT },
    });
    meanwhile = thereafter = undefined;
    const { store } = database;
    const ledger = createAttemptLedger(store);
    deps = {
      store,
      ledger: {
        ...ledger,
        async load(...request) {
          if (meanwhile === undefined) {
            await thereafter?.();
            return await ledger.load(...request);
          }
          const context = await ledger.load(...request);
          const happens = meanwhile;
          meanwhile = undefined;
          await happens();
          return context;
        },
      },
      log: silentLog,
      egress: egress.post,
      now: () => NOW,
      concurrencyDefault: 1,
      shares: { first: createShares(10), retries: createShares(1) },
    };
    accountId = (await createAccount(store, { name: "test", now: NOW })).id;
    const subscription = await createSubscription(store, {
      accountId,
      targetUrl: receiver.url,
      eventTypes: ["invoice_sent"],
      credential: null,
      acceptance: "OK_ONLY",
      timeoutMs: null,
      now: NOW,
    });
    subscriptionId = subscription.id;
  });
  afterEach(async () => {
    egress.close();
    await receiver.stop();
    await database.dispose();
  });

  /** Creates a delivery with this many failed attempts whose next one is due. */
  async function deliveryAfter(attempts: number): Promise<DeliveryId> {
    const event = { eventType: "invoice_sent", data: Buffer.from('{"a":1}'), idempotencyKey: null };
    await ingestEvents(database.store, { accountId, now: NOW, deliveriesMax: 10, events: [event] });
    const [delivery] = await listDeliveries(database.store, { accountId, subscriptionId, limit: 1 });
    if (delivery === undefined) throw new Error("ingest created no delivery");
    for (let number = 1; number <= attempts; number++) await fail(delivery.id, number, NOW);
    return delivery.id;
  }
  const fail = async (deliveryId: DeliveryId, number: number, nextAttemptAt: number) =>
    void (await recordAttempt(database.store, {
      deliveryId,
      attempt: failedAttempt({ number, startedAt: NOW }),
      state: "started",
      nextAttemptAt,
      endedReason: null,
      now: NOW,
    }));
  /** Lets another delivery have the only place of the subscription. */
  async function fillTheSubscription(): Promise<void> {
    const id = await deliveryAfter(1);
    const place = { in_flight_of: subscriptionId, lease_until: NOW + MINUTE_MS };
    await database.store.db.updateTable("deliveries").set(place).where("id", "=", id).execute();
  }
  /** Before upkeep comes to the deliveries. */
  const setState = async (state: "paused" | "ended") =>
    void (await database.store.db.updateTable("subscriptions").set({ state }).execute());
  const park = async (id: DeliveryId, number: number) => {
    await pauseSubscription(database.store, { accountId, id: subscriptionId, now: NOW });
    expect(await parkDelivery(database.store, { id, subscriptionId, number, now: NOW })).toBe("parked");
  };
  const run = (deliveryId: DeliveryId, number: number) =>
    attemptDelivery(deps, { deliveryId, accountId }, { number, shares: deps.shares.retries });
  const rowOf = async (id: DeliveryId) => await getDelivery(database.store, { accountId, id });

  describe.each([1, 2])("number %d", (number) => {
    const due = NOW + 10 * 3 ** (number - 1) * MINUTE_MS;

    test("waits for the next one instead of taking a place in line before it", async () => {
      const id = await deliveryAfter(number - 1);
      await fillTheSubscription();
      meanwhile = () => fail(id, number, due);
      await expect(run(id, number)).rejects.toMatchObject({
        type: ATTEMPT_FAILED,
        nextRetryDelay: due - NOW,
      });
      expect(await rowOf(id)).toMatchObject({ attempts: number, nextAttemptAt: due });
    });

    test("is not sent again", async () => {
      const id = await deliveryAfter(number - 1);
      meanwhile = () => fail(id, number, due);
      await expect(run(id, number)).rejects.toMatchObject({ type: ATTEMPT_FAILED });
      expect(receiver.requests).toEqual([]);
      expect(await rowOf(id)).toMatchObject({ attempts: number, nextAttemptAt: due });
    });

    test("does not park the next one, which would be due as soon as its subscription is resumed", async () => {
      const id = await deliveryAfter(number - 1);
      await setState("paused");
      meanwhile = () => fail(id, number, due);
      await expect(run(id, number)).rejects.toMatchObject({ nextRetryDelay: due - NOW });
      expect(await rowOf(id)).toMatchObject({ state: "started", attempts: number, nextAttemptAt: due });
    });

    test("is not sent after its subscription was paused and has ended", async () => {
      const id = await deliveryAfter(number - 1);
      await setState("paused");
      meanwhile = () => setState("ended");
      expect(await run(id, number)).toMatchObject({ state: "cancelled" });
      expect(receiver.requests).toEqual([]);
    });

    test("ends its run after its delivery was parked", async () => {
      const id = await deliveryAfter(number - 1);
      meanwhile = () => park(id, number);
      expect(await run(id, number)).toMatchObject({ state: "parked" });
      expect(receiver.requests).toEqual([]);
    });

    test("is made again after its delivery was parked and its subscription resumed", async () => {
      const id = await deliveryAfter(number - 1);
      meanwhile = () => park(id, number);
      thereafter = async () => {
        thereafter = undefined;
        await resumeSubscription(database.store, { accountId, id: subscriptionId, now: NOW });
        await drainSubscription(database.store, { id: subscriptionId, now: NOW });
      };
      await expect(run(id, number)).rejects.toMatchObject({ type: FAULT });
      expect(receiver.requests).toEqual([]);
      expect(await run(id, number)).toMatchObject({ state: "succeeded", attempts: number });
      expect(receiver.requests).toHaveLength(1);
    });

    test("is not sent after its delivery was cancelled", async () => {
      const id = await deliveryAfter(number - 1);
      meanwhile = () => cancelDelivery(database.store, { id, reason: "by its owner", now: NOW });
      expect(await run(id, number)).toMatchObject({ state: "cancelled" });
      expect(receiver.requests).toEqual([]);
    });
  });

  test("leaves the time of the next one as it is in the direct lane, too", async () => {
    const id = await deliveryAfter(0);
    await fillTheSubscription();
    const due = NOW + 10 * MINUTE_MS;
    meanwhile = () => fail(id, 1, due);
    expect(await attemptDirectly(deps, { deliveryId: id, accountId })).toEqual({ kind: "over" });
    expect(receiver.requests).toEqual([]);
    expect(await rowOf(id)).toMatchObject({ state: "started", attempts: 1, nextAttemptAt: due });
  });

  test("leaves the time of the next one as it is while its account has no room", async () => {
    const id = await deliveryAfter(1);
    deps.shares.retries.begin(await deliveryAfter(0), accountId);
    const due = NOW + 30 * MINUTE_MS;
    meanwhile = () => fail(id, 2, due);
    await expect(run(id, 2)).rejects.toMatchObject({ type: NOT_YET });
    expect(await rowOf(id)).toMatchObject({ attempts: 2, nextAttemptAt: due });
  });

  test("leaves the time of the next one as it is when it replays the log", async () => {
    const id = await deliveryAfter(1);
    const due = NOW + 30 * MINUTE_MS;
    meanwhile = () => fail(id, 2, due);
    await expect(run(id, 1)).rejects.toMatchObject({ type: ATTEMPT_FAILED });
    expect(await rowOf(id)).toMatchObject({ attempts: 2, nextAttemptAt: due });
  });

  test("leaves the time of the next one as it is, although it is the same", async () => {
    const id = await deliveryAfter(0);
    const due = NOW + 10 * MINUTE_MS;
    await fail(id, 1, due);
    meanwhile = () => fail(id, 2, due);
    await expect(run(id, 1)).rejects.toMatchObject({ type: ATTEMPT_FAILED });
    const reserved = database.store.db.selectFrom("turn_slots").select("slot");
    expect(await reserved.execute()).toEqual([]);
  });

  test("waits for its place in line, in which another run of it stands already", async () => {
    const id = await deliveryAfter(1);
    await fillTheSubscription();
    const inLine = async () => (await rowOf(id))?.nextAttemptAt;
    let first: number | null | undefined;
    meanwhile = async () => {
      await expect(run(id, 2)).rejects.toMatchObject({ type: NOT_YET });
      first = await inLine();
      await database.store.db.updateTable("deliveries").set({ in_flight_of: null }).execute();
    };
    await expect(run(id, 2)).rejects.toMatchObject({ type: NOT_YET });
    expect(receiver.requests).toEqual([]);
    expect(first).toBeGreaterThan(NOW);
    expect(await inLine()).toBe(first);
  });

  test("leaves a retry that its owner requests meanwhile due at once when it replays the log", async () => {
    const id = await deliveryAfter(0);
    await fail(id, 1, NOW + 10 * MINUTE_MS);
    meanwhile = () => requestRetry(database.store, { accountId, id, now: NOW });
    await expect(run(id, 1)).rejects.toMatchObject({ type: ATTEMPT_FAILED });
    expect(await rowOf(id)).toMatchObject({ attempts: 1, nextAttemptAt: NOW });
  });
});
