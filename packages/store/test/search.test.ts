import type { DeliveryId } from "@posthaste/domain";
import { recordAttempt } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  createAccount,
  getEvent,
  listAttempts,
  listDeliveries,
  listSubscriptions,
  searchDeliveries,
} from "../src/index.ts";
import { attempt, NOW, onEachDatabase } from "./fixture.ts";

onEachDatabase("a search", (bench) => {
  test("for deliveries of an event type examines a bounded number at a time", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe({ eventTypes: ["*"] });
    for (let i = 0; i < 14; i += 1) await ingest();
    // The first delivery that the second page examines.
    const rare = await ingest({ eventType: "contact_created" });
    for (let i = 0; i < 10; i += 1) await ingest();
    const search = (before?: DeliveryId, limit = 5) =>
      searchDeliveries(store, {
        accountId,
        traits: { eventTypes: ["contact_created"] },
        limit,
        examinedMax: 10,
        ...(before === undefined ? {} : { before }),
      });
    const pages = [];
    let before: DeliveryId | undefined;
    do {
      const { rows, examinedTo } = await search(before);
      pages.push(rows.length);
      before = examinedTo;
      for (const { eventId } of rows) expect(eventId).toBe(rare.eventId);
    } while (before !== undefined);
    expect(pages).toEqual([0, 1, 0]);
    const frequent = await searchDeliveries(store, {
      accountId,
      traits: { eventTypes: ["invoice_sent"] },
      limit: 5,
      examinedMax: 10,
    });
    expect(frequent.rows).toEqual(await listDeliveries(store, { accountId, limit: 5 }));
    expect(frequent.examinedTo).toBeUndefined();
  });

  test("for subscriptions filters by a wanted event type and by failing", async () => {
    const { store, accountId, subscribe } = bench();
    const wildcard = await subscribe({ eventTypes: ["*"] });
    const exact = await subscribe({ eventTypes: ["invoice_sent"] });
    await subscribe({ eventTypes: ["contact_created"] });
    const { id: other } = await createAccount(store, { name: "other", now: NOW });
    await subscribe({ accountId: other, eventTypes: ["invoice_sent"] });
    const ids = async (over: { failing?: boolean; eventType?: string }) =>
      (await listSubscriptions(store, { accountId, limit: 10, ...over })).map(({ id }) => id);
    expect(await ids({ eventType: "invoice_sent" })).toEqual([wildcard.id, exact.id]);
    expect(await ids({ failing: true })).toEqual([]);
    await store.db
      .updateTable("subscriptions")
      .set({ failing_since: NOW })
      .where("id", "=", exact.id)
      .execute();
    expect(await ids({ failing: true })).toEqual([exact.id]);
    expect(await ids({})).toHaveLength(3);
  });

  test("for an event returns its bytes, to its own account only", async () => {
    const { store, accountId, ingest } = bench();
    const json = '{"n": 12345678901234567890 }';
    const { eventId } = await ingest({ json });
    const found = await getEvent(store, { accountId, id: eventId });
    expect(Buffer.from(found?.data ?? []).toString()).toBe(json);
    const { id: other } = await createAccount(store, { name: "other", now: NOW });
    expect(await getEvent(store, { accountId: other, id: eventId })).toBeUndefined();
  });

  test("for attempts returns the request headers of each", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    await subscribe();
    const { eventId } = await ingest();
    const [delivery] = await listDeliveries(store, { accountId, eventId, limit: 1 });
    if (delivery === undefined) throw new Error("no delivery");
    const sent = [1, 2].map((number) => [
      ["webhook-id", eventId] as const,
      ["webhook-attempt", `${number}`] as const,
    ]);
    for (const [i, requestHeaders] of sent.entries()) {
      await recordAttempt(store, {
        deliveryId: delivery.id,
        attempt: attempt({ number: i + 1, requestHeaders }),
        state: "started",
        nextAttemptAt: NOW,
        endedReason: null,
        now: NOW,
      });
    }
    const logged = await listAttempts(store, { accountId, deliveryId: delivery.id });
    expect(logged?.map((one) => one.requestHeaders)).toEqual(sent);
  });
});
