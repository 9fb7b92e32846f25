import type { AccountId, DeliveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { silentLog } from "@posthaste/runtime";
import { createAccount, createSubscription, ingestEvents, listDeliveries } from "@posthaste/store";
import { createTestStore, type TestStore, timesIn } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createReconcileRound } from "../src/loops/reconcile.ts";

/*
 * The reconciler's rounds while Temporal does not answer, on a simulated clock. Temporal is a mock, because a
 * real server cannot fail for some workflows only.
 */

/** The deadline of every call to Temporal, set by `bounded`. */
const DEADLINE_MS = 5_000;
/** The loop's pause after a successful round, and after a failed round. */
const PAUSE_MS = { ordinary: 15_000, failed: 5_000 };

let bench: TestStore;
let accountId: AccountId;
const START = Date.now();
let now: number;

/**
 * Creates deliveries and returns them oldest first: `together` are overdue now, then one more each minute.
 */
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

/**
 * Creates a round against a Temporal that runs `inspect` and then reports a workflow paused by an operator.
 */
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

describe.each(["sqlite", "mysql"] as const)(
  "the reconciler while Temporal does not answer, on %s",
  (backend) => {
    beforeEach(async () => {
      bench = await createTestStore(backend);
      now = START;
      accountId = (await createAccount(bench.store, { name: "test", now })).id;
    });
    afterEach(() => bench.dispose());

    test("ends its round early, and examines all deliveries soon after Temporal returns", async () => {
      const ids = await overdue(20, 20);
      let isUnavailable = true;
      const inspected: DeliveryId[] = [];
      const round = roundWith(async (id) => {
        inspected.push(id);
        if (isUnavailable) throw new Error("Temporal is unavailable");
      });
      await expect(round()).rejects.toThrow("Temporal is unavailable");
      expect(inspected).toEqual(ids.slice(0, 3));
      isUnavailable = false;
      now += PAUSE_MS.failed;
      await round();
      // The failed deliveries come after the others.
      expect(inspected.slice(3)).toEqual(ids.slice(3));
      now += PAUSE_MS.ordinary;
      await round();
      expect(inspected.slice(20)).toEqual(ids.slice(0, 3));
    });

    test.each([1, 2, 3, 8])(
      "examines the others within minutes if %i of many workflows fail",
      async (count) => {
        const ids = await overdue(40, 20);
        const dead = new Set(ids.slice(5, 5 + count));
        const inspectedAt = new Map<DeliveryId, number>();
        const round = roundWith(async (id) => {
          if (dead.has(id)) {
            now += DEADLINE_MS;
            throw new Error("the workflow's shard is unavailable");
          }
          if (!inspectedAt.has(id)) inspectedAt.set(id, now);
        });
        while (now < START + 30 * MINUTE_MS) {
          const end = await round().catch(() => "failed" as const);
          now += end === "failed" ? PAUSE_MS.failed : PAUSE_MS.ordinary;
        }
        const late = ids.filter((id, n) => {
          const dueAt = START + Math.max(0, n - 20) * MINUTE_MS;
          return !dead.has(id) && (inspectedAt.get(id) ?? Number.POSITIVE_INFINITY) > dueAt + 3 * MINUTE_MS;
        });
        expect(late).toEqual([]);
      },
    );

    test("keeps the new time of a delivery that moved on during a failed round", async () => {
      const ids = await overdue(8, 8);
      const later = START + 32 * MINUTE_MS;
      const moved = [ids[0], ids[7]] as [DeliveryId, DeliveryId];
      const round = roundWith(async () => {
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
  },
);
