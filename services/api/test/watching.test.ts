import { Code, ConnectError } from "@connectrpc/connect";
import { DeliveryState } from "@posthaste/contracts/delivery";
import type { AccountId } from "@posthaste/domain";
import {
  cancelDelivery,
  closeStore,
  ingestEvents,
  openStore,
  orderChanges,
  type Store,
} from "@posthaste/store";
import { afterEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

const SUBSCRIPTIONS = 20;
/** 10,000 state changes: 5,000 deliveries are created, and each is cancelled. */
const DELIVERIES = 5_000;

let t: Bench;
afterEach(() => t.dispose());

const subscribe = async (count: number) => {
  for (let i = 0; i < count; i++) {
    await t.client.subscriptions.createSubscription({
      targetUrl: `https://receiver-${i}.example/`,
      eventTypes: ["invoice_sent"],
    });
  }
};
const event = { eventType: "invoice_sent", snapshot: { case: "dataJson" as const, value: "{}" } };

/** Creates and cancels deliveries, in transactions of varying size that overlap those of the other writer. */
async function write(store: Store, accountId: AccountId, deliveries: number): Promise<void> {
  for (let created = 0; created < deliveries; created += SUBSCRIPTIONS) {
    const now = Date.now();
    const [event] = await ingestEvents(store, {
      accountId,
      now,
      deliveriesMax: SUBSCRIPTIONS,
      events: [
        {
          eventType: "invoice_sent",
          data: Buffer.from("{}"),
          idempotencyKey: null,
        },
      ],
    });
    if (event === undefined) throw new Error("ingest returned no event");
    const rows = await store.db
      .selectFrom("deliveries")
      .select("id")
      .where("event_id", "=", event.eventId)
      .execute();
    await Promise.all(rows.map(({ id }) => cancelDelivery(store, { id, reason: "test", now })));
  }
}

test.each(["mysql", "sqlite"] as const)(
  "a watcher that reconnects at random sees each of 10,000 state changes of two writers, on %s",
  async (database) => {
    t = await startBench({ database });
    await subscribe(SUBSCRIPTIONS);
    const other = await openStore({ url: t.databaseUrl });
    try {
      const seen = new Map<string, Set<DeliveryState>>();
      const count = () => [...seen.values()].reduce((sum, states) => sum + states.size, 0);
      let cursor = "";
      let breaks = 0;
      const first = new AbortController();
      for await (const answer of t.client.deliveries.watchDeliveries({}, { signal: first.signal })) {
        cursor = answer.cursor;
        break;
      }
      const writers = Promise.all([
        write(t.store, t.accountId, DELIVERIES / 2),
        write(other, t.accountId, DELIVERIES / 2),
      ]);
      // A worker orders changes, too.
      let areWritersDone = false;
      const orderer = async () => {
        while (!areWritersDone) await orderChanges(other, Date.now());
      };
      const ordering = orderer();
      while (count() < 2 * DELIVERIES) {
        const leave = new AbortController();
        let answers = 1 + Math.floor(Math.random() * 5);
        for await (const answer of t.client.deliveries.watchDeliveries(
          { cursor },
          { signal: leave.signal },
        )) {
          for (const { deliveryId, state } of answer.changes) {
            seen.set(deliveryId, (seen.get(deliveryId) ?? new Set()).add(state));
          }
          // Sometimes discards the cursor, as if the connection broke before this answer was processed.
          if (Math.random() < 0.8) cursor = answer.cursor;
          if (--answers === 0 || count() === 2 * DELIVERIES) break;
        }
        leave.abort();
        breaks += 1;
      }
      areWritersDone = true;
      await Promise.all([writers, ordering]);
      expect(seen.size).toBe(DELIVERIES);
      for (const states of seen.values()) {
        expect([...states].sort()).toEqual([DeliveryState.PENDING, DeliveryState.CANCELLED]);
      }
      expect(breaks).toBeGreaterThan(3);
    } finally {
      await closeStore(other);
    }
  },
  180_000,
);

test("watching one subscription shows only its deliveries, and the cursor moves past all others", async () => {
  t = await startBench();
  await subscribe(2);
  const { subscriptions } = await t.client.subscriptions.listSubscriptions({});
  const subscriptionId = subscriptions[1]?.id ?? 0;
  const leave = new AbortController();
  const stream = t.client.deliveries
    .watchDeliveries({ subscriptionId }, { signal: leave.signal })
    [Symbol.asyncIterator]();
  expect((await stream.next()).value?.changes).toEqual([]);
  await t.client.events.ingestEvent(event);
  const { value } = await stream.next();
  expect(value?.changes).toMatchObject([{ subscriptionId, state: DeliveryState.PENDING, attempts: 0 }]);
  leave.abort();
});

const beyondSafe = 2n ** 53n;
test.each(["x", "1", "1.2.3", "-1.2", `0.${beyondSafe}`, `${beyondSafe}.0`])(
  "the cursor %s is refused",
  async (cursor) => {
    t = await startBench();
    const stream = t.client.deliveries.watchDeliveries({ cursor });
    const error = await stream[Symbol.asyncIterator]()
      .next()
      .catch((reason: unknown) => ConnectError.from(reason));
    expect(error).toMatchObject({ code: Code.InvalidArgument });
  },
);

/** A database whose counter is ahead of its clock counts on. */
test.each([2 ** 42 - 1, 10 ** 15 - 1])("a cursor past batch %i is accepted", async (batch) => {
  t = await startBench();
  await subscribe(1);
  await t.store.db.updateTable("change_counter").set({ batch, oldest_batch: batch }).execute();
  const seen: string[] = [];
  let cursor = "";
  for (let i = 0; i < 3; i++) {
    const leave = new AbortController();
    const answers = t.client.deliveries.watchDeliveries({ cursor }, { signal: leave.signal });
    for await (const answer of answers) {
      const isFollowing = cursor !== "";
      cursor = answer.cursor;
      seen.push(...answer.changes.map(({ deliveryId }) => deliveryId));
      if (seen.length > i) break;
      if (!isFollowing) await t.client.events.ingestEvent(event);
    }
    leave.abort();
    await t.client.events.ingestEvent(event);
  }
  expect(cursor).toMatch(new RegExp(`^${batch + 3}\\.`));
  expect(new Set(seen).size).toBe(3);
});

test("a cursor older than the stored changes is refused, and the answer says what to do", async () => {
  t = await startBench();
  await t.store.db.updateTable("change_counter").set({ batch: 10, oldest_batch: 5 }).execute();
  const stream = t.client.deliveries.watchDeliveries({ cursor: "4.1" });
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow("list the deliveries");
});

describe.each(["mysql", "sqlite"] as const)("after a restore from a backup, on %s", (database) => {
  /** Sets the log back to a backup, as a restore does. */
  const restore = async () => {
    await t.store.db.deleteFrom("delivery_changes").execute();
    await t.store.db.updateTable("change_counter").set({ batch: 0, oldest_batch: 0 }).execute();
  };

  test("a cursor that is ahead is refused like one that is too old, and an open stream ends so", async () => {
    t = await startBench({ database });
    await subscribe(1);
    const leave = new AbortController();
    const stream = t.client.deliveries.watchDeliveries({}, { signal: leave.signal })[Symbol.asyncIterator]();
    await stream.next();
    await t.client.events.ingestEvent(event);
    const cursor = (await stream.next()).value?.cursor ?? "";
    await restore();
    const refusal = {
      code: Code.FailedPrecondition,
      message: expect.stringContaining("list the deliveries"),
    };
    await expect(stream.next()).rejects.toMatchObject(refusal);
    const resumed = t.client.deliveries.watchDeliveries({ cursor })[Symbol.asyncIterator]();
    await expect(resumed.next()).rejects.toMatchObject(refusal);
    leave.abort();
  });

  test("a watcher that resumes later at such a cursor gets every change since the restore", async () => {
    t = await startBench({ database });
    await subscribe(1);
    const leave = new AbortController();
    const stream = t.client.deliveries.watchDeliveries({}, { signal: leave.signal })[Symbol.asyncIterator]();
    await stream.next();
    await t.client.events.ingestEvent(event);
    const cursor = (await stream.next()).value?.cursor ?? "";
    leave.abort();
    await restore();
    const { eventId } = await t.client.events.ingestEvent(event);
    while ((await orderChanges(t.store, Date.now())) > 0);
    const again = new AbortController();
    for await (const answer of t.client.deliveries.watchDeliveries({ cursor }, { signal: again.signal })) {
      expect(answer.changes.map((change) => change.eventId)).toEqual([eventId]);
      break;
    }
    again.abort();
  });
});

test("streams over the limit are refused until another stream ends", async () => {
  t = await startBench({ limits: { watchesMax: 1 } });
  const leave = new AbortController();
  const open = t.client.deliveries.watchDeliveries({}, { signal: leave.signal })[Symbol.asyncIterator]();
  await open.next();
  const next = () => t.client.deliveries.watchDeliveries({})[Symbol.asyncIterator]().next();
  await expect(next()).rejects.toMatchObject({ code: Code.ResourceExhausted });
  leave.abort();
  await expect
    .poll(() =>
      next().then(
        () => "open",
        () => "full",
      ),
    )
    .toBe("open");
});
