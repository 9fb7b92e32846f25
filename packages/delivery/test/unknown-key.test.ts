import { type DeliveryId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { createEgress } from "@posthaste/egress";
import type { Log } from "@posthaste/runtime";
import {
  claimDeliveries,
  closeStore,
  createAccount,
  createAttemptLedger,
  createErasure,
  createSubscription,
  getDelivery,
  getErasure,
  ingestEvents,
  openStore,
  parseSealingKeys,
  pauseSubscription,
  type Store,
  updateSubscription,
} from "@posthaste/store";
import {
  createTestStore,
  type Receiver,
  startReceiver,
  TEST_SECRET_KEYS,
  type TestStore,
} from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { attemptDelivery } from "../src/activities/attempt-delivery.ts";
import { attemptDirectly } from "../src/activities/attempt-directly.ts";
import { eraseStep } from "../src/activities/erase-step.ts";
import type { AttemptDeps } from "../src/activities/make-attempt.ts";
import { createShares } from "../src/activities/shares.ts";

const NEXT_KEY = `next:${Buffer.alloc(32, 9).toString("base64")}`;

describe.each(["sqlite", "mysql"] as const)("a worker that lacks a sealing key, on %s", (backend) => {
  let database: TestStore;
  /** The store of a process that already seals with the next key. */
  let ahead: Store;
  let receiver: Receiver;
  let egress: ReturnType<typeof createEgress>;
  /** What happened: log events and calls of the observer. */
  let seen: { event: string; fields: Readonly<Record<string, unknown>> }[];
  let accountId: Awaited<ReturnType<typeof createAccount>>["id"];

  beforeEach(async () => {
    database = await createTestStore(backend);
    const secretKeys = parseSealingKeys(`${NEXT_KEY},${TEST_SECRET_KEYS}`);
    ahead = await openStore({ url: database.url, secretKeys });
    receiver = await startReceiver();
    egress = createEgress({
      rules: { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT },
    });
    seen = [];
    accountId = (await createAccount(database.store, { name: "test", now: Date.now() })).id;
  });
  afterEach(async () => {
    egress.close();
    await receiver.stop();
    await closeStore(ahead);
    await database.dispose();
  });

  function depsOn(store: Store): AttemptDeps {
    const add = (event: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void seen.push({ event, fields });
    const log: Log = { info: add, warn: add, error: (event) => add(event), with: () => log };
    return {
      store,
      ledger: createAttemptLedger(store),
      log,
      egress: egress.post,
      now: () => Date.now(),
      concurrencyDefault: 32,
      shares: { first: createShares(10), retries: createShares(10) },
      observer: {
        attempted: () => {},
        faulted: () => add("counted: faulted"),
        lackedKey: () => add("counted: lacked key"),
        gaveUp: () => add("counted: gave up"),
        waited: () => {},
        handedOutEarly: () => {},
        recovered: () => {},
        deleted: () => {},
      },
    };
  }
  const subscribe = async (store: Store, path = "") =>
    await createSubscription(store, {
      accountId,
      targetUrl: `${receiver.url}${path}`,
      eventTypes: ["invoice_sent"],
      credential: null,
      acceptance: "OK_ONLY",
      timeoutMs: null,
      now: Date.now(),
    });
  const claimed = async (): Promise<DeliveryId[]> => {
    const { store } = database;
    const event = { eventType: "invoice_sent", data: Buffer.from('{"a":1}'), idempotencyKey: null };
    const now = Date.now();
    await ingestEvents(store, { accountId, now, deliveriesMax: 1_000, events: [event] });
    const claim = { owner: "test", limit: 1_000, inFlightMax: 1_000, leaseMs: 60_000, now: () => now };
    return (await claimDeliveries(store, claim)).map(({ deliveryId }) => deliveryId);
  };
  const rowOf = async (id: DeliveryId) =>
    await database.store.db.selectFrom("deliveries").selectAll().where("id", "=", id).executeTakeFirst();
  const eventsSeen = () => seen.map(({ event }) => event);
  /** Makes a first attempt, and returns what kept it from being sent. */
  const lanes = {
    workflow: async (deps: AttemptDeps, deliveryId: DeliveryId) =>
      await attemptDelivery(deps, { deliveryId }, { number: 1, shares: deps.shares.first }).then(
        () => undefined,
        (error: { type?: string }) => error.type,
      ),
    direct: async (deps: AttemptDeps, deliveryId: DeliveryId) => {
      const { kind } = await attemptDirectly(deps, { deliveryId });
      return kind === "lacks_key" ? "UnknownKey" : undefined;
    },
  };

  for (const [lane, attempt] of Object.entries(lanes)) {
    for (const column of ["signing key", "credential", "headers"] as const) {
      test(`waits and spends nothing until it has the key of the ${column}, in the lane ${lane}`, async () => {
        const { id: subscription } = await subscribe(column === "signing key" ? ahead : database.store);
        const changed = column === "credential" ? { credential: "hush" } : { headers: { "x-key": "hush" } };
        if (column !== "signing key") {
          await updateSubscription(ahead, { accountId, id: subscription, now: Date.now(), ...changed });
        }
        const [id] = (await claimed()) as [DeliveryId];
        const before = await rowOf(id);
        const behind = depsOn(database.store);
        expect(await attempt(behind, id)).toBe("UnknownKey");
        expect(await attempt(behind, id)).toBe("UnknownKey");
        expect(await rowOf(id)).toEqual(before);
        const waits = ["delivery.waits", "counted: lacked key"];
        expect(eventsSeen()).toEqual([...waits, ...waits]);
        expect(seen[0]?.fields).toEqual({ for: "key", keyId: "next" });
        expect(receiver.requests).toHaveLength(0);

        expect(await attempt(depsOn(ahead), id)).toBeUndefined();
        expect(await getDelivery(database.store, { accountId, id })).toMatchObject({
          state: "succeeded",
          attempts: 1,
        });
        expect(receiver.requests[0]?.headers["webhook-attempt"]).toBe("1");
      });
    }
  }

  test("delivers the others of a group as if the one were not there", async () => {
    for (let n = 0; n < 20; n++) await subscribe(n === 7 ? ahead : database.store, `${n}`);
    const ids = await claimed();
    expect(ids).toHaveLength(20);
    const deps = depsOn(database.store);
    const failures = await Promise.all(ids.map((id) => lanes.workflow(deps, id)));
    expect(failures.filter((type) => type !== undefined)).toEqual(["UnknownKey"]);
    expect(receiver.requests).toHaveLength(19);
    expect(eventsSeen()).not.toContain("delivery.faulted");
  });

  test("reaches its workflow at once if that was started before this failure had a name", async () => {
    await subscribe(ahead);
    const [deliveryId] = (await claimed()) as [DeliveryId];
    const deps = depsOn(database.store);
    const run = attemptDelivery(deps, { deliveryId }, { number: 1, shares: deps.shares.retries });
    // The retry policy that Temporal has recorded does not list it: only the failure can say so.
    await expect(run).rejects.toMatchObject({ type: "UnknownKey", nonRetryable: true });
  });

  test("parks what is paused: that needs no key", async () => {
    const { id: subscription } = await subscribe(ahead);
    const [id] = (await claimed()) as [DeliveryId];
    await pauseSubscription(database.store, { accountId, id: subscription, now: Date.now() });
    expect(await lanes.workflow(depsOn(database.store), id)).toBeUndefined();
    expect(await getDelivery(database.store, { accountId, id })).toMatchObject({ state: "parked" });
  });

  test("leaves an erasure to a worker that has the key of its value", async () => {
    const key = { pointer: "/a", value: "1" };
    const { id: erasureId } = await createErasure(ahead, { accountId, key, now: Date.now() });
    const input = { erasureId };
    await expect(eraseStep(depsOn(database.store), input)).rejects.toMatchObject({
      type: "UnknownKey",
      // Temporal runs the step again and again.
      nonRetryable: false,
    });
    expect(eventsSeen()).toEqual(["erasure.waits", "counted: lacked key"]);
    expect(await eraseStep(depsOn(ahead), input)).toMatchObject({ isOver: true });
    expect(await getErasure(database.store, erasureId)).toMatchObject({ state: "completed" });
  });
});
