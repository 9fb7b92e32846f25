import type { DeliveryId } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { markHandedOver } from "../src/attempts/record-attempt.ts";
import {
  changeDeferral,
  claimDeliveries,
  deferReconcile,
  markStarted,
  releaseClaims,
  renewClaims,
} from "../src/index.ts";
import { attempt, type Bench, NOW, onEachDatabase } from "./fixture.ts";

const MINUTE_MS = 60_000;

/** Creates a delivery that `first` has claimed for a minute. */
async function claimed({ store, subscribe, ingest }: Bench): Promise<DeliveryId> {
  await subscribe();
  await ingest();
  const claim = { owner: "first", limit: 1, inFlightMax: 10, leaseMs: MINUTE_MS, now: () => NOW };
  const [one] = await claimDeliveries(store, claim);
  if (one === undefined) throw new Error("nothing was claimed");
  return one.deliveryId;
}

onEachDatabase("a claim", (bench) => {
  const row = () => bench().store.db.selectFrom("deliveries").selectAll().executeTakeFirstOrThrow();

  test("is neither released nor renewed by a worker that does not hold it", async () => {
    const { store } = bench();
    const id = await claimed(bench());
    const before = await row();
    await releaseClaims(store, { owner: "second", ids: [id], now: NOW });
    await renewClaims(store, { owner: "second", ids: [id], leaseMs: 9 * MINUTE_MS, now: () => NOW });
    expect(await row()).toEqual(before);
    await renewClaims(store, { owner: "first", ids: [id], leaseMs: 9 * MINUTE_MS, now: () => NOW });
    expect(await row()).toMatchObject({ lease_owner: "first", lease_until: NOW + 9 * MINUTE_MS });
    await releaseClaims(store, { owner: "first", ids: [id], now: NOW });
    expect(await row()).toMatchObject({ lease_owner: null, lease_until: null, in_flight_of: null });
  });
});

onEachDatabase("the time at which the reconciler examines a delivery", (bench) => {
  const reconcileAfter = async () => {
    const rows = bench().store.db.selectFrom("deliveries").select("reconcile_after");
    return (await rows.executeTakeFirstOrThrow()).reconcile_after;
  };
  /** Creates a delivery whose first attempt failed directly, and whose retry is due in ten minutes. */
  const failedDirectly = async () => {
    const id = await claimed(bench());
    const nextAttemptAt = NOW + 10 * MINUTE_MS;
    await recordAttempt(bench().store, {
      deliveryId: id,
      attempt: attempt(),
      state: "started",
      nextAttemptAt,
      endedReason: null,
      awaitsWorkflow: true,
      now: NOW,
    });
    return { id, nextAttemptAt };
  };

  test("is not changed by a hand-over that another attempt has overtaken", async () => {
    const { store } = bench();
    const { id, nextAttemptAt } = await failedDirectly();
    const soon = await reconcileAfter();
    await markHandedOver(store, [{ id, nextAttemptAt: nextAttemptAt - 1, now: NOW }]);
    expect(await reconcileAfter()).toBe(soon);
    await markHandedOver(store, [{ id, nextAttemptAt, now: NOW }]);
    expect(await reconcileAfter()).toBeGreaterThan(nextAttemptAt);
  });

  test("is deferred only if it has come, and the deferral changed only if it still holds", async () => {
    const { store } = bench();
    const id = await claimed(bench());
    await markStarted(store, { owner: "first", ids: [id], now: NOW });
    const at = (await reconcileAfter()) ?? 0;
    await deferReconcile(store, { ids: [id], until: at + 2, now: at - 1 });
    expect(await reconcileAfter()).toBe(at);
    await deferReconcile(store, { ids: [id], until: at + 2, now: at });
    expect(await reconcileAfter()).toBe(at + 2);
    await changeDeferral(store, { from: at + 1, changes: [{ id, until: at + 9 }], now: at });
    expect(await reconcileAfter()).toBe(at + 2);
    await changeDeferral(store, { from: at + 2, changes: [{ id, until: at + 9 }], now: at });
    expect(await reconcileAfter()).toBe(at + 9);
  });
});
