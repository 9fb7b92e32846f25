import { HOUR_MS, MINUTE_MS } from "@posthaste/domain";
import { timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { claimDeliveries, deferReconcile, listOverdue, markStarted, measureBacklog } from "../src/index.ts";
import { NOW, onEachDatabase } from "./fixture.ts";

/*
 * The count of overdue deliveries wakes somebody up, so it tells how many stand still, whenever the
 * reconciler looked at them last.
 */
onEachDatabase("the count of overdue deliveries", (bench) => {
  const overdue = async (now: number) =>
    (await measureBacklog(bench().store, { now, inFlightMax: 10 })).overdue;
  /** Creates a started delivery whose next attempt is due then. */
  const startedDueAt = async (at: number) => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await ingest({ now: NOW });
    await store.db
      .updateTable("deliveries")
      .set({ state: "started", ...timesIn("started", at) })
      .execute();
  };

  test("begins two minutes after the next attempt was due", async () => {
    const due = NOW + HOUR_MS;
    await startedDueAt(due);
    expect(await overdue(due - MINUTE_MS)).toBe(0);
    expect(await overdue(due + 2 * MINUTE_MS - 1)).toBe(0);
    expect(await overdue(due + 2 * MINUTE_MS)).toBe(1);
  });

  test("keeps what the reconciler has deferred, up to ten minutes", async () => {
    const { store } = bench();
    await startedDueAt(NOW);
    const now = NOW + HOUR_MS;
    const { deliveries } = await listOverdue(store, { now, limit: 10 });
    const ids = deliveries.map(({ deliveryId }) => deliveryId);
    for (const minutes of [2, 10]) {
      await store.db.updateTable("deliveries").set({ reconcile_after: now }).execute();
      await deferReconcile(store, { ids, until: now + minutes * MINUTE_MS, now });
      expect(await overdue(now)).toBe(1);
    }
  });

  test("leaves out a delivery that was due long ago, waited as pending, and has just been started", async () => {
    const { store, subscribe, ingest } = bench();
    await subscribe();
    await ingest({ now: NOW });
    const now = NOW + HOUR_MS;
    const claim = { owner: "me", limit: 10, inFlightMax: 10, leaseMs: MINUTE_MS, now: () => now };
    const ids = (await claimDeliveries(store, claim)).map(({ deliveryId }) => deliveryId);
    await markStarted(store, { owner: "me", ids, now });
    expect((await measureBacklog(store, { now, inFlightMax: 10 })).started).toBe(1);
    expect(await overdue(now)).toBe(0);
    expect(await overdue(now + 2 * MINUTE_MS)).toBe(1);
  });
});
