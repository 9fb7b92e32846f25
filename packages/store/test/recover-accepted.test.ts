import { type DeliveryId, MINUTE_MS } from "@posthaste/domain";
import { timesIn } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { RECONCILE_GRACE_MS } from "../src/deliveries/transitions.ts";
import {
  advanceRecovery,
  cancelDelivery,
  createRecovery,
  listDeliveries,
  resendDelivery,
} from "../src/index.ts";
import { type Bench, beginAttempts, NOW, onEachDatabase, recordAccepted } from "./fixture.ts";

/** Recovers everything. */
async function recover({ store, accountId }: Bench) {
  const now = NOW + 10 * MINUTE_MS;
  const { id } = await createRecovery(store, {
    accountId,
    kind: "recover",
    subscriptionId: null,
    sinceAt: 0,
    untilAt: now,
    isDryRun: false,
    ratePerSecond: 1_000,
    now,
  });
  return await advanceRecovery(store, { id, limit: 500, now: NOW + 1_000 });
}

/** Begins the attempt of an event's only delivery. */
async function beginAttempt({ store, subscribe, ingest }: Bench): Promise<DeliveryId> {
  await subscribe();
  await ingest();
  const [id] = await beginAttempts(store);
  if (id === undefined) throw new Error("no delivery");
  return id;
}

const cancel = ({ store }: Bench, id: DeliveryId, now: number) =>
  cancelDelivery(store, { id, reason: "its owner", now });

onEachDatabase("a recovery leaves out what was accepted", (bench) => {
  test("while it was cancelled", async () => {
    const id = await beginAttempt(bench());
    await cancel(bench(), id, NOW + 10);
    await recordAccepted(bench().store, id);
    expect(await recover(bench())).toMatchObject({ made: 0, leftOut: 1 });
  });

  test("while it was cancelled and another recovery sent it again, although that was cancelled", async () => {
    const { store, accountId } = bench();
    const id = await beginAttempt(bench());
    await cancel(bench(), id, NOW + 10);
    expect(await recover(bench())).toMatchObject({ made: 1 });
    await recordAccepted(store, id, NOW + 2_000);
    for (const copy of await listDeliveries(store, { accountId, state: "pending", limit: 10 })) {
      await cancel(bench(), copy.id, NOW + 3_000);
    }
    expect(await recover(bench())).toMatchObject({ made: 0, leftOut: 2 });
  });

  test.each(["succeeded", "cancelled"] as const)("but not its resend by hand, if it is %s", async (state) => {
    const { store, accountId } = bench();
    const id = await beginAttempt(bench());
    if (state === "cancelled") await cancel(bench(), id, NOW + 10);
    await recordAccepted(store, id);
    const now = NOW + RECONCILE_GRACE_MS + 1_000;
    expect(await resendDelivery(store, { accountId, id, now })).toMatchObject({ resent: true });
    await store.db
      .updateTable("deliveries")
      .set({ state: "exhausted", ...timesIn("exhausted", now) })
      .where("id", "!=", id)
      .execute();
    expect(await recover(bench())).toMatchObject({ made: 1 });
  });
});
