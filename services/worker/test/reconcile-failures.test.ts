import type { AccountId, DeliveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { type Log, silentLog } from "@posthaste/runtime";
import {
  createAccount,
  createSubscription,
  getDelivery,
  ingestEvents,
  listDeliveries,
  measureBacklog,
  type Store,
} from "@posthaste/store";
import { createTestStore, poison, type TestStore, timesIn } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Dependency } from "../src/loops/outage-log.ts";
import { createReconcileRound, type ReconcileAction, type ReconcileOptions } from "../src/loops/reconcile.ts";
import { copyDelivery } from "./copy-delivery.ts";

/*
 * The reconciler's rounds while Temporal fails or deliveries move on, on a simulated clock. Temporal is a
 * mock, because a real server cannot fail for some workflows only.
 */

/** The loop's pause after a round. */
const PAUSE_MS = 15_000;
const START = Date.now();

type Workflow = Awaited<ReturnType<ReconcileOptions["temporal"]["inspect"]>>;
const HELD: Workflow = { kind: "paused", by: "operator" };

describe.each(["sqlite", "mysql"] as const)("the reconciler, on %s", (backend) => {
  let bench: TestStore;
  let accountId: AccountId;
  let now: number;
  let away: readonly Dependency[];
  let inspected: DeliveryId[];
  let called: string[];
  let actions: ReconcileAction[];
  let lines: { event: string; error: string; fields: Readonly<Record<string, unknown>> }[];
  beforeEach(async () => {
    bench = await createTestStore(backend);
    now = START;
    away = [];
    inspected = [];
    called = [];
    actions = [];
    lines = [];
    accountId = (await createAccount(bench.store, { name: "test", now })).id;
  });
  afterEach(() => bench.dispose());

  const log: Log = {
    ...silentLog,
    error: (event, error, fields = {}) => void lines.push({ event, error: String(error), fields }),
  };

  /** Creates overdue deliveries and returns them in the order in which they became overdue. */
  async function overdue(count: number, of: AccountId = accountId): Promise<DeliveryId[]> {
    const { store } = bench;
    await createSubscription(store, {
      accountId: of,
      targetUrl: "https://a.example/",
      eventTypes: ["*"],
      credential: null,
      acceptance: "OK_ONLY",
      timeoutMs: null,
      now,
    });
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
    const events = Array.from({ length: count }, () => event);
    await ingestEvents(store, { accountId: of, now, deliveriesMax: 1_000, events });
    const ids = (await listDeliveries(store, { accountId: of, limit: count })).map(({ id }) => id).reverse();
    for (const [n, id] of ids.entries()) await moveTo(id, now + n - count);
    return ids;
  }

  const moveTo = async (id: DeliveryId, reconcileAfter: number, attempts = 0) =>
    void (await bench.store.db
      .updateTable("deliveries")
      .set({
        state: "started",
        ...timesIn("started", reconcileAfter - 2 * MINUTE_MS),
        reconcile_after: reconcileAfter,
        attempts,
      })
      .where("id", "=", id)
      .execute());

  const reconciler = (inspect: (id: DeliveryId) => Promise<Workflow>, store = bench.store) =>
    createReconcileRound({
      store,
      log,
      now: () => now,
      whatIsAway: async () => away,
      onReconciled: (action) => actions.push(action),
      temporal: {
        inspect: async (id) => {
          inspected.push(id);
          return await inspect(id);
        },
        start: async ({ deliveryId }) => void called.push(`start ${deliveryId}`),
        retryNow: async (id) => {
          called.push(`retry ${id}`);
          return "retried";
        },
        unpause: async (id) => void called.push(`unpause ${id}`),
      },
    });
  const setAsideLines = () => lines.filter(({ event }) => event === "work.set_aside");

  test("ends its round early during an outage, and examines all deliveries soon after it", async () => {
    const ids = await overdue(40);
    away = ["temporal"];
    const round = reconciler(async () => {
      if (away.length > 0) throw new Error("Temporal is unavailable");
      return HELD;
    });
    await expect(round()).rejects.toThrow("Temporal is unavailable");
    const failed = [...inspected];
    expect(failed).toEqual(ids.slice(0, failed.length));
    // Those that began before the outage was noticed, in one batch of calls at once and the next.
    expect(failed.length).toBeLessThanOrEqual(16);
    expect(setAsideLines()).toEqual([]);
    away = [];
    inspected = [];
    now += PAUSE_MS;
    await round();
    // The failed deliveries come after the others.
    expect(inspected).toEqual([...ids.slice(failed.length), ...failed]);
  });

  test("says of a round without deliveries that it proves nothing", async () => {
    const [failing] = (await overdue(1)) as [DeliveryId];
    away = ["temporal"];
    const round = reconciler(() => Promise.reject(new Error("Temporal is unavailable")));
    await expect(round()).rejects.toThrow("Temporal is unavailable");
    expect(await round()).toBe("idle");
    expect(inspected).toEqual([failing]);
  });

  test("examines 100 deliveries within two rounds that come after 100 whose workflows do not answer", async () => {
    const ids = await overdue(200);
    const bad = new Set(ids.slice(0, 100));
    const round = reconciler(async (id) => {
      if (bad.has(id)) throw new Error("the workflow's shard is unavailable");
      return HELD;
    });
    expect(await round()).toBe("more");
    expect(await round()).toBe("more");
    expect(inspected).toEqual(ids);
    expect(setAsideLines()).toEqual([
      {
        event: "work.set_aside",
        error: "Error: the workflow's shard is unavailable",
        fields: { work: "reconcile", count: 100, ids: expect.arrayContaining([...bad]) },
      },
    ]);
  });

  test("looks at a delivery that fails again and again after growing pauses, up to five minutes", async () => {
    const [bad] = (await overdue(1)) as [DeliveryId];
    const round = reconciler(() => Promise.reject(new Error("unreadable")));
    const at: number[] = [];
    while (now < START + 30 * MINUTE_MS) {
      inspected = [];
      await round();
      if (inspected.includes(bad)) at.push(now - START);
      now += 1_000;
    }
    const pauses = at.slice(1).map((ms, n) => (ms - (at[n] ?? 0)) / 1_000);
    expect(pauses).toEqual([10, 20, 40, 80, 160, 300, 300, 300, 300]);
  });

  test("examines an account's delivery in its first round, behind hundreds of another's that wait longer", async () => {
    const { id: other } = await createAccount(bench.store, { name: "other", now });
    const ids = await overdue(300, other);
    const [good] = (await overdue(1)) as [DeliveryId];
    await reconciler(async () => HELD)();
    expect(inspected).toHaveLength(100);
    expect(inspected.slice(0, 2)).toEqual([ids[0], good]);
  });

  test("goes on behind 5,000 of another account in its second round, and then begins anew", async () => {
    const { id: other } = await createAccount(bench.store, { name: "other", now });
    const [first] = (await overdue(1, other)) as [DeliveryId];
    await copyDelivery(bench.store, first, 5_000);
    await bench.store.db
      .updateTable("deliveries")
      .set({ reconcile_after: now - 10 })
      .execute();
    const [good] = (await overdue(1)) as [DeliveryId];
    const round = reconciler(async () => HELD);
    const rounds = [];
    for (let n = 0; n < 3; n++) {
      inspected = [];
      rounds.push({ result: await round(), hasGood: inspected.includes(good), count: inspected.length });
    }
    expect(rounds).toEqual([
      { result: "more", hasGood: false, count: 100 },
      { result: "more", hasGood: true, count: 2 },
      { result: "more", hasGood: false, count: 100 },
    ]);
  });

  test("looks at a delivery that it leaves alone after pauses that double, up to ten minutes", async () => {
    const [held] = (await overdue(1)) as [DeliveryId];
    const round = reconciler(async () => HELD);
    const at: number[] = [];
    while (now < START + 60 * MINUTE_MS) {
      inspected = [];
      await round();
      if (inspected.includes(held)) at.push(now - START);
      now += 5_000;
    }
    const pauses = at.slice(1).map((ms, n) => Math.round((ms - (at[n] ?? 0)) / MINUTE_MS));
    expect(pauses).toEqual([2, 4, 8, 10, 10, 10, 10]);
  });

  test("leaves what it has examined among the overdue deliveries that the metric counts", async () => {
    await overdue(3);
    const round = reconciler(async () => HELD);
    const counted = new Set<number>();
    while (now < START + 30 * MINUTE_MS) {
      await round();
      counted.add((await measureBacklog(bench.store, { now, inFlightMax: 10 })).overdue);
      now += PAUSE_MS;
    }
    expect([...counted]).toEqual([3]);
  });

  test("never examines a delivery that another worker's round has taken", async () => {
    const ids = await overdue(100);
    const other = reconciler(async () => HELD);
    const round = reconciler(async () => HELD);
    await Promise.all([round(), other()]);
    expect([...inspected].sort()).toEqual([...ids].sort());
  });

  test("examines several deliveries at once, and no more than eight", async () => {
    await overdue(30);
    let atOnce = 0;
    let atOnceMax = 0;
    const round = reconciler(async () => {
      atOnce += 1;
      atOnceMax = Math.max(atOnceMax, atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
      return HELD;
    });
    await round();
    expect(atOnceMax).toBe(8);
  });

  test.each<[Workflow["kind"], Workflow]>([
    ["gone", { kind: "gone" }],
    ["ended_by_hand", { kind: "ended_by_hand" }],
    ["paused", { kind: "paused", by: "retry_now" }],
    ["running", { kind: "running", nextAttemptAt: START + 30 * MINUTE_MS }],
  ])("leaves a delivery alone that moved on while its workflow was %s", async (_kind, workflow) => {
    const [id] = (await overdue(1)) as [DeliveryId];
    const round = reconciler(async () => {
      // Its attempt failed meanwhile, and the next is due in 30 minutes.
      await moveTo(id, START + 32 * MINUTE_MS, 1);
      return workflow;
    });
    await round();
    expect([called, actions]).toEqual([[], ["moved_on"]]);
    expect(await getDelivery(bench.store, { accountId, id })).toMatchObject({
      state: "started",
      attempts: 1,
    });
  });

  test("leaves a delivery alone that takes its turn while its workflow is read", async () => {
    const [id] = (await overdue(1)) as [DeliveryId];
    const round = reconciler(async () => {
      await bench.store.db
        .updateTable("deliveries")
        .set({ lease_until: now + MINUTE_MS })
        .where("id", "=", id)
        .execute();
      return { kind: "gone" };
    });
    await round();
    expect([called, actions]).toEqual([[], ["moved_on"]]);
  });

  test("keeps the new time of a delivery that moved on during a failed round", async () => {
    const ids = await overdue(8);
    const later = START + 32 * MINUTE_MS;
    const moved = [ids[0], ids[7]] as [DeliveryId, DeliveryId];
    away = ["temporal"];
    const round = reconciler(async () => {
      for (const id of moved) await moveTo(id, later);
      throw new Error("Temporal is unavailable");
    });
    await expect(round()).rejects.toThrow("Temporal is unavailable");
    const rows = await bench.store.db
      .selectFrom("deliveries")
      .select("reconcile_after")
      .where("id", "in", moved)
      .execute();
    expect(rows).toEqual([{ reconcile_after: later }, { reconcile_after: later }]);
  });

  test.each<[string, Partial<Store>]>([
    ["work.set_aside", {}],
    ["reconciler.deferral_kept", { ping: () => Promise.reject(new Error("no answer")) }],
  ])("reports both errors if the database fails after Temporal: %s", async (event, over) => {
    await overdue(1);
    away = ["temporal"];
    const { store } = bench;
    const seam = { ...store.seam, isAway: () => true };
    const round = reconciler(
      async () => {
        await store.db.schema.dropTable("deliveries").execute();
        throw new Error("Temporal is unavailable");
      },
      { ...store, seam, ...over },
    );
    await expect(round()).rejects.toThrow("Temporal is unavailable");
    expect(lines.map((line) => line.event)).toEqual([event]);
    expect(lines[0]?.error).toContain("deliveries");
  });

  test("examines the others if the database refuses to defer a delivery", async () => {
    const ids = await overdue(5);
    await poison(bench.store, { table: "deliveries", on: "update", condition: `new.id = '${ids[0]}'` });
    await reconciler(async () => HELD)();
    expect(inspected).toEqual(ids.slice(1));
    expect(setAsideLines()[0]?.fields).toMatchObject({ work: "reconcile", ids: [ids[0]] });
  });
});
