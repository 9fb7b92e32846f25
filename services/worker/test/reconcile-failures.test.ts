import type { AccountId, DeliveryId } from "@posthaste/domain";
import { silentLog } from "@posthaste/runtime";
import { createAccount, createSubscription, ingestEvents, listDeliveries } from "@posthaste/store";
import { createTestStore, type TestStore, timesIn } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createReconcileRound } from "../src/loops/reconcile.ts";

/*
 * Rounds of the reconciler where Temporal does not answer, in a time of their own. A mock of Temporal, since a real one
 * cannot be had to answer for some of its workflows alone.
 */

const MINUTE_MS = 60_000;
/** Of `bounded`, which every call to Temporal has. */
const DEADLINE_MS = 5_000;
/** Of the loop: between rounds, and after a failed one. */
const PAUSE_MS = { ordinary: 15_000, failed: 5_000 };

let bench: TestStore;
let accountId: AccountId;
const began = Date.now();
let now: number;

/** Deliveries that are overdue, oldest first: the first `together` at once, the others one a minute. */
async function overdue(count: number, together: number): Promise<DeliveryId[]> {
  const { store } = bench;
  await createSubscription(store, {
    accountId,
    targetUrl: "https://a.example/",
    eventTypes: ["*"],
    credential: null,
    acceptance: "OK_ONLY",
    timeoutMs: null,
    now,
  });
  const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: null };
  const events = Array.from({ length: count }, () => event);
  await ingestEvents(store, { accountId, now, deliveriesMax: 1_000, events });
  const ids = (await listDeliveries(store, { accountId, limit: count })).map(({ id }) => id).reverse();
  for (const [n, id] of ids.entries())
    await moveTo(id, now + (n < together ? n - together : (n - together) * MINUTE_MS));
  return ids;
}

const moveTo = (id: DeliveryId, reconcileAfter: number) =>
  bench.store.db
    .updateTable("deliveries")
    .set({ state: "started", ...timesIn("started", now), reconcile_after: reconcileAfter })
    .where("id", "=", id)
    .execute();

/** A round of a reconciler to which Temporal says this. */
const roundWith = (inspect: (id: DeliveryId) => Promise<void>) =>
  createReconcileRound({
    store: bench.store,
    log: silentLog,
    now: () => now,
    temporal: {
      inspect: async (id) => {
        await inspect(id);
        return { kind: "paused", by: "operator" };
      },
      start: async () => {},
      retryNow: async () => {},
      unpause: async () => {},
    },
  });

describe.each(["sqlite", "mysql"] as const)("where Temporal does not answer, on %s", (backend) => {
  beforeEach(async () => {
    bench = await createTestStore(backend);
    now = began;
    accountId = (await createAccount(bench.store, { name: "test", now })).id;
  });
  afterEach(() => bench.dispose());

  test("for anything, a round ends soon, and all are looked at within seconds once it does", async () => {
    const ids = await overdue(20, 20);
    let isAway = true;
    const asked: DeliveryId[] = [];
    const round = roundWith(async (id) => {
      asked.push(id);
      if (isAway) throw new Error("Temporal is away");
    });
    await expect(round()).rejects.toThrow("Temporal is away");
    expect(asked).toEqual(ids.slice(0, 3));
    isAway = false;
    now += PAUSE_MS.failed;
    await round();
    // Those that failed come behind the others.
    expect(asked.slice(3)).toEqual(ids.slice(3));
    now += PAUSE_MS.ordinary;
    await round();
    expect(asked.slice(20)).toEqual(ids.slice(0, 3));
  });

  test.each([1, 2, 3, 8])("for %i of many, each of the others is looked at within minutes", async (count) => {
    const ids = await overdue(40, 20);
    const dead = new Set(ids.slice(5, 5 + count));
    const lookedAt = new Map<DeliveryId, number>();
    const round = roundWith(async (id) => {
      if (dead.has(id)) {
        now += DEADLINE_MS;
        throw new Error("its shard is away");
      }
      if (!lookedAt.has(id)) lookedAt.set(id, now);
    });
    while (now < began + 30 * MINUTE_MS) {
      const end = await round().catch(() => "failed" as const);
      now += end === "failed" ? PAUSE_MS.failed : PAUSE_MS.ordinary;
    }
    const late = ids.filter((id, n) => {
      const dueAt = began + Math.max(0, n - 20) * MINUTE_MS;
      return !dead.has(id) && (lookedAt.get(id) ?? Number.POSITIVE_INFINITY) > dueAt + 3 * MINUTE_MS;
    });
    expect(late).toEqual([]);
  });

  test("for some, one that moved meanwhile keeps the time that it has then", async () => {
    const ids = await overdue(8, 8);
    const later = began + 32 * MINUTE_MS;
    const moved = [ids[0], ids[7]] as [DeliveryId, DeliveryId];
    const round = roundWith(async () => {
      for (const id of moved) await moveTo(id, later);
      throw new Error("Temporal is away");
    });
    await expect(round()).rejects.toThrow("Temporal is away");
    const rows = await bench.store.db
      .selectFrom("deliveries")
      .select("reconcile_after")
      .where("id", "in", moved)
      .execute();
    expect(rows).toEqual([{ reconcile_after: later }, { reconcile_after: later }]);
  });
});
