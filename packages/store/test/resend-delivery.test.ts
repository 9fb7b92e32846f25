import type { DeliveryId } from "@posthaste/domain";
import { sql } from "kysely";
import { expect, test } from "vitest";
import {
  cancelDelivery,
  endSubscription,
  getDelivery,
  listDeliveries,
  resendDelivery,
} from "../src/index.ts";
import { NOW, onEachDatabase } from "./fixture.ts";

onEachDatabase("a resend", (bench) => {
  /** Creates one event with one delivery and cancels the delivery. */
  const cancelledDelivery = async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id: subscriptionId } = await subscribe();
    const { eventId } = await ingest();
    const [delivery] = await listDeliveries(store, { accountId, eventId, limit: 10 });
    const id = delivery?.id as DeliveryId;
    await cancelDelivery(store, { id, reason: "test", now: NOW });
    return { store, accountId, subscriptionId, eventId, id };
  };

  test("creates another delivery of the same event, without attempts", async () => {
    const { store, accountId, subscriptionId, eventId, id } = await cancelledDelivery();
    const answer = await resendDelivery(store, { accountId, id, now: NOW + 1 });
    expect(answer).toMatchObject({
      resent: true,
      delivery: { eventId, subscriptionId, state: "pending", attempts: 0, nextAttemptAt: NOW + 1 },
    });
    expect(answer?.delivery.id).not.toBe(id);
    expect(await getDelivery(store, { accountId, id })).toMatchObject({ state: "cancelled" });
  });

  test("by ten callers at once creates one delivery, and another only once that has ended", async () => {
    const { store, accountId, eventId, id } = await cancelledDelivery();
    const resend = () => resendDelivery(store, { accountId, id, now: NOW + 1 });
    // Opens a connection for each caller, so that none waits for one while the first resend finishes.
    await Promise.all(Array.from({ length: 10 }, () => sql`select 1`.execute(store.db)));
    const answers = await Promise.all(Array.from({ length: 10 }, resend));
    expect(answers.filter((answer) => answer?.resent)).toHaveLength(1);
    const resentIds = new Set(answers.map((answer) => answer?.delivery.id));
    expect(resentIds.size).toBe(1);
    const [second] = resentIds;
    await cancelDelivery(store, { id: second as DeliveryId, reason: "test", now: NOW });
    expect(await resend()).toMatchObject({ resent: true });
    expect(await listDeliveries(store, { accountId, eventId, limit: 10 })).toHaveLength(3);
  });

  test("of an open delivery returns that delivery", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    const { eventId } = await ingest();
    const [delivery] = await listDeliveries(store, { accountId, eventId, limit: 10 });
    const id = delivery?.id as DeliveryId;
    expect(await resendDelivery(store, { accountId, id, now: NOW })).toMatchObject({
      resent: false,
      delivery: { id },
    });
  });

  test("is parked if its subscription is paused", async () => {
    const { store, accountId, subscriptionId, id } = await cancelledDelivery();
    await store.db
      .updateTable("subscriptions")
      .set({ state: "paused" })
      .where("id", "=", subscriptionId)
      .execute();
    expect(await resendDelivery(store, { accountId, id, now: NOW })).toMatchObject({
      delivery: { state: "parked", nextAttemptAt: null },
    });
  });

  test("is refused once its subscription has ended, and finds no unknown delivery", async () => {
    const { store, accountId, subscriptionId, id } = await cancelledDelivery();
    await endSubscription(store, { accountId, id: subscriptionId, reason: "test", now: NOW });
    await expect(resendDelivery(store, { accountId, id, now: NOW })).rejects.toMatchObject({
      code: "wrong_state",
    });
    expect(await resendDelivery(store, { accountId, id: "dlv_x" as DeliveryId, now: NOW })).toBeUndefined();
  });
});
