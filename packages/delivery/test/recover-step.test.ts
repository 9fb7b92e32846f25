import { type AccountId, type DeliveryId, MINUTE_MS, type RecoveryId } from "@posthaste/domain";
import { silentLog } from "@posthaste/runtime";
import {
  createAccount,
  createAttemptLedger,
  createErasure,
  createRecovery,
  createSubscription,
  getDelivery,
  ingestEvents,
  listOverdue,
  type RecoveryFilter,
} from "@posthaste/store";
import { createTestStore, type TestStore, timesIn } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createActivities, createShares } from "../src/activities/index.ts";
import { recoverStep } from "../src/activities/recover-step.ts";

const NOW = 1_700_000_000_000;
const FAILED = 20;

describe.each(["sqlite", "mysql"] as const)("a step of a recovery, on %s", (backend) => {
  let bench: TestStore;
  let accountId: AccountId;
  beforeEach(async () => {
    bench = await createTestStore(backend);
    const { store } = bench;
    accountId = (await createAccount(store, { name: "recovers", now: NOW })).id;
    await createSubscription(store, {
      ...{ accountId, targetUrl: "https://receiver.example/", eventTypes: ["*"], now: NOW },
      ...{ credential: null, acceptance: "OK_ONLY", timeoutMs: null },
    });
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    const events = Array.from({ length: FAILED }, () => event);
    await ingestEvents(store, { accountId, now: NOW, deliveriesMax: FAILED, events });
    await store.db
      .updateTable("deliveries")
      .set({ state: "exhausted", ...timesIn("exhausted", NOW) })
      .execute();
  });
  afterEach(() => bench.dispose());

  const start = (over: { isDryRun: boolean; ratePerSecond: number; filter?: RecoveryFilter }) => {
    const scope = { accountId, kind: "recover" as const, subscriptionId: null };
    const times = { sinceAt: 0, untilAt: NOW + 1, now: NOW + 1 };
    return createRecovery(bench.store, { ...scope, ...times, ...over });
  };
  const step = (recoveryId: RecoveryId) =>
    recoverStep({ store: bench.store, log: silentLog, now: () => NOW + 1 }, { recoveryId });

  test("waits for what it examined, though a dry run creates nothing", async () => {
    const { id } = await start({ isDryRun: true, ratePerSecond: 1_000 });
    // 10,000 a second.
    expect(await step(id)).toMatchObject({ state: "completed", waitMs: 2 });
  });

  test("waits for what it created at the rate that its caller gave", async () => {
    const { id } = await start({ isDryRun: false, ratePerSecond: 5 });
    expect(await step(id)).toMatchObject({ state: "running", waitMs: 1_000 });
  });

  describe("of what waits for a retry", () => {
    beforeEach(async () => {
      const waiting = { ...timesIn("started", NOW), next_attempt_at: NOW + MINUTE_MS };
      await bench.store.db
        .updateTable("deliveries")
        .set({ state: "started", ...waiting, ended_at: null })
        .execute();
    });
    const started = async () => {
      const { id } = await start({ isDryRun: false, ratePerSecond: 1_000, filter: { states: ["started"] } });
      return id;
    };
    const stepTelling = async (retryNow: (id: DeliveryId) => Promise<unknown>) =>
      recoverStep(
        { store: bench.store, log: silentLog, now: () => NOW + 1, retryNow },
        { recoveryId: await started() },
      );

    test("tells each activity in Temporal that its attempt is due, once its row says so", async () => {
      const told: DeliveryId[] = [];
      const step = await stepTelling(async (id) => {
        const delivery = await getDelivery(bench.store, { accountId, id });
        expect(delivery?.nextAttemptAt).toBe(NOW + 1);
        told.push(id);
      });
      expect(step).toMatchObject({ state: "completed", waitMs: FAILED });
      expect(new Set(told).size).toBe(FAILED);
    });

    test("completes though Temporal does not answer, and leaves the others to the reconciler", async () => {
      let told = 0;
      const step = await stepTelling(async () => {
        told += 1;
        throw new Error("Temporal is away");
      });
      expect(step).toMatchObject({ state: "completed" });
      // Those that were told at once; nobody else waits for a deadline.
      expect(told).toBe(8);
      const overdue = await listOverdue(bench.store, { now: NOW + MINUTE_MS, limit: 100 });
      expect(overdue.deliveries).toHaveLength(FAILED);
    });
  });

  test("works for one account in two places, however many of its operations ask, and for another", async () => {
    const { store } = bench;
    const other = await createAccount(store, { name: "other", now: NOW });
    const { id: recoveryId } = await start({ isDryRun: true, ratePerSecond: 1_000 });
    const key = { pointer: "/ContactID", value: "902" };
    const { id: erasureId } = await createErasure(store, { accountId: other.id, key, now: NOW });
    const { advanceRecovery, advanceErasure } = createActivities({
      ...{ store, log: silentLog, now: () => NOW + 1, ledger: createAttemptLedger(store) },
      ...{ concurrencyDefault: 1, shares: { first: createShares(1), retries: createShares(1) } },
      egress: () => Promise.reject(new Error("nothing is sent")),
    });
    const asked = Array.from({ length: 50 }, () => advanceRecovery({ recoveryId, accountId }));
    const erased = await advanceErasure({ erasureId, accountId: other.id });
    const steps = await Promise.all(asked);
    const turnedAway = steps.filter(({ summary }) => summary.startsWith("waits for its account's turn"));
    expect(turnedAway).toHaveLength(48);
    expect(turnedAway.every(({ state, waitMs }) => state === "running" && waitMs > 0)).toBe(true);
    expect(erased).toMatchObject({ isOver: true, summary: expect.stringContaining("completed") });
  });

  test("waits if everything was sent again before", async () => {
    const first = await start({ isDryRun: false, ratePerSecond: 1_000 });
    await step(first.id);
    const { id } = await start({ isDryRun: false, ratePerSecond: 1_000 });
    const { waitMs, summary } = await step(id);
    expect(summary).toContain("recovered 0, skipped 20");
    expect(waitMs).toBe(2);
  });
});
