import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Delivery, DeliveryState } from "@posthaste/contracts/delivery";
import { connectTemporal, inspectDelivery, workflowIdOf } from "@posthaste/delivery/client";
import type { DeliveryId, EventId, Lane, SubscriptionId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { type Child, earlyInLog, type Stack, startStack } from "@posthaste/stack";
import { lockWrites, type Receiver, refuseMarks, startReceiver } from "@posthaste/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

/** All of it, with first attempts made in this lane. */
export function crashSuite(lane: Lane): void {
  const PATIENCE = { timeout: 60_000, interval: 50 };
  const REQUEST_WITHIN = { timeoutMs: 60_000 };
  /** Longer than several waits of a test together. */
  const TEST_WITHIN_MS = 200_000;

  vi.setConfig({ testTimeout: TEST_WITHIN_MS });

  let stack: Stack;
  let receiver: Receiver;
  let worker: Child;
  let subscriptionId: SubscriptionId;
  /** Deliveries of which the test asked for a retry. */
  const askedFor = new Set<string>();
  /** One for the tests of a group: each leaves it running, with nothing that waits. */
  const shareStack = () => {
    beforeAll(async () => {
      stack = await startStack({
        lane,
        env: {
          // Waited for after a kill; longer than a busy machine keeps a worker from renewing it.
          POSTHASTE_DISPATCH_LEASE_MS: "5000",
          POSTHASTE_RECONCILE_INTERVAL_MS: "500",
        },
        temporalSettings: {
          // A server that starts again hands out every waiting retry, however long ago its last attempt was.
          "matching.updateAckInterval": '"1h"',
          // The half of Temporal's own, after which another worker is given the task of a first attempt.
          "history.defaultWorkflowTaskTimeout": '"5s"',
        },
      });
      const [first] = stack.workers;
      if (first === undefined) throw new Error("no worker");
      worker = first;
    });
    afterAll(() => stack?.dispose());
  };
  beforeEach(async () => {
    receiver = await startReceiver();
    subscriptionId = await stack.subscribe(receiver.url);
  });
  afterEach(async () => {
    await receiver.stop();
    // A test that failed in the middle may have left something standing still, or dead.
    stack.temporal.resume();
    for (const child of [stack.temporal, ...stack.apis, worker]) if (!child.running()) await child.start();
    expect(await earlyInLog(stack, askedFor)).toEqual([]);
    await endAll();
  });
  /** Nothing of a test is left that a Temporal of the next one could hand out. */
  async function endAll(): Promise<void> {
    await stack.client.subscriptions.deleteSubscription({ id: subscriptionId });
    const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
    const ids = await stack.store.db
      .selectFrom("deliveries")
      .select("id")
      .where("subscription_id", "=", subscriptionId)
      // What succeeded is over at Temporal, too.
      .where("state", "!=", "succeeded")
      .execute();
    for (const { id } of ids) {
      const handle = client.workflow.getHandle(workflowIdOf(id));
      await handle.terminate().catch((error: Error) => {
        // One that was not begun yet will find its row cancelled, and end.
        if (error.name !== "WorkflowNotFoundError") throw error;
      });
    }
    await client.connection.close();
  }

  async function ingest(): Promise<EventId> {
    const { eventId } = await stack.client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: '{"InvoiceNumber":"INV-1"}' },
    });
    return eventId as EventId;
  }
  async function deliveryOf(eventId: EventId) {
    const { deliveries } = await stack.client.deliveries.listDeliveries({ eventId });
    if (deliveries[0] === undefined) throw new Error("no delivery");
    return deliveries[0];
  }
  const attempts = (eventId: EventId, count: number) =>
    vi.waitFor(async () => {
      const delivery = await deliveryOf(eventId);
      expect(delivery.attempts).toBe(count);
      return delivery;
    }, PATIENCE);
  /** The dispatcher has written its lease and goes on to start the workflow. */
  const claimed = (eventId: EventId) =>
    vi.waitFor(async () => {
      const row = await stack.store.db
        .selectFrom("deliveries")
        .select("lease_until")
        .where("event_id", "=", eventId)
        .executeTakeFirst();
      expect(row?.lease_until).not.toBeNull();
    }, PATIENCE);
  /** Answers that the test gives when it is ready. */
  function heldAnswers(status: number) {
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    receiver.answer(async () => {
      await held;
      return { kind: "status", status };
    });
    return () => letGo();
  }
  /**
   * As if the seconds were over in which the reconciler leaves what failed directly to the worker that made
   * it.
   */
  const handOver = (eventId: EventId) =>
    stack.store.db
      .updateTable("deliveries")
      .set({ reconcile_after: Date.now() - 1 })
      .where("event_id", "=", eventId)
      .execute();
  /** When Temporal will make the next attempt. */
  async function nextAtTemporal(eventId: EventId): Promise<number> {
    const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
    try {
      const { id } = await deliveryOf(eventId);
      return await vi.waitFor(async () => {
        const standing = await inspectDelivery(client, id as DeliveryId);
        if (standing.kind !== "running" || standing.nextAttemptAt === undefined)
          throw new Error(standing.kind);
        // A replay passes through short waits before it comes to the schedule's.
        expect(standing.nextAttemptAt - Date.now()).toBeGreaterThan(MINUTE_MS);
        return standing.nextAttemptAt;
      }, PATIENCE);
    } finally {
      await client.connection.close();
    }
  }

  describe("a worker that is killed", () => {
    shareStack();

    if (lane === "workflow") {
      test("between claim and start: another takes the delivery when the lease is over", async () => {
        stack.temporal.pause();
        const eventId = await ingest();
        await claimed(eventId);
        await worker.kill();
        stack.temporal.resume();
        await worker.start();
        expect(await attempts(eventId, 1)).toMatchObject({ state: DeliveryState.SUCCEEDED });
        expect(receiver.requests).toHaveLength(1);
      });

      test("between start and mark: the delivery is claimed again and its workflow goes on", async () => {
        const letGo = heldAnswers(200);
        const marks = await refuseMarks(stack.store);
        const eventId = await ingest();
        await receiver.waitFor(1, REQUEST_WITHIN);
        await worker.kill();
        await marks.allow();
        expect(await deliveryOf(eventId)).toMatchObject({ state: DeliveryState.PENDING, attempts: 0 });
        letGo();
        await worker.start();
        expect(await attempts(eventId, 1)).toMatchObject({ state: DeliveryState.SUCCEEDED });
        expect(receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(["1", "1"]);
      });
    } else {
      test("while Temporal is away: first attempts are made all the same, and what failed is started later", async () => {
        receiver.answer((_request, n) => ({ kind: "status", status: n === 1 ? 200 : 500 }));
        stack.temporal.pause();
        expect(await attempts(await ingest(), 1)).toMatchObject({ state: DeliveryState.SUCCEEDED });
        const failed = await ingest();
        const { nextAttemptAt } = await attempts(failed, 1);
        await worker.kill();
        await handOver(failed);
        stack.temporal.resume();
        await worker.start();
        const due = Number(nextAttemptAt?.seconds) * 1000;
        expect(Math.abs((await nextAtTemporal(failed)) - due)).toBeLessThan(5_000);
        expect(receiver.requests).toHaveLength(2);
      });
    }

    test("in the middle of a POST: that request is repeated, and no attempt is spent", async () => {
      receiver.answer((_request, n) => (n === 1 ? { kind: "hang" } : { kind: "status", status: 500 }));
      const eventId = await ingest();
      await receiver.waitFor(1, REQUEST_WITHIN);
      await worker.kill();
      await worker.start();
      await attempts(eventId, 1);
      expect(receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(["1", "1"]);
      expect((await nextAtTemporal(eventId)) - Date.now()).toBeLessThan(10.5 * MINUTE_MS);
    });

    test("between POST and write: that request is repeated, and no attempt is spent", async () => {
      const letGo = heldAnswers(500);
      const eventId = await ingest();
      await receiver.waitFor(1, REQUEST_WITHIN);
      const underWay = lane === "direct" ? DeliveryState.PENDING : DeliveryState.STARTED;
      await vi.waitFor(async () => expect((await deliveryOf(eventId)).state).toBe(underWay), PATIENCE);
      const lock = await lockWrites(stack.databaseUrl);
      letGo();
      // The answer is on its way to a worker that cannot write it down.
      await vi.waitFor(() => expect(receiver.open()).toBe(0), PATIENCE);
      await worker.kill();
      await lock.release();
      expect((await deliveryOf(eventId)).attempts).toBe(0);
      await worker.start();
      await attempts(eventId, 1);
      expect(receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(["1", "1"]);
    });

    test("after the write: nothing is repeated, and the next attempt is still due at its time", async () => {
      const letGo = heldAnswers(500);
      const eventId = await ingest();
      await receiver.waitFor(1, REQUEST_WITHIN);
      // Temporal must not learn of the attempt from this worker.
      stack.temporal.pause();
      letGo();
      const delivery = await attempts(eventId, 1);
      await worker.kill();
      if (lane === "direct") await handOver(eventId);
      stack.temporal.resume();
      await worker.start();
      const due = Number(delivery.nextAttemptAt?.seconds) * 1000;
      expect(Math.abs((await nextAtTemporal(eventId)) - due)).toBeLessThan(5_000);
      expect(receiver.requests).toHaveLength(1);
    });
  });

  describe("Temporal, while retries wait", () => {
    shareStack();
    const WAITING = 5;
    const refusedEarly = async () => {
      const text = await (await fetch(`${stack.workerUrls[0]}/metrics`)).text();
      return Number(/^posthaste_early_attempts_total (\d+)$/m.exec(text)?.[1] ?? 0);
    };

    const allWaiting = async () => {
      receiver.answer({ kind: "status", status: 500 });
      const events: EventId[] = [];
      for (let n = 0; n < WAITING; n++) events.push(await ingest());
      const waiting = await Promise.all(events.map((eventId) => attempts(eventId, 1)));
      await Promise.all(events.map(nextAtTemporal));
      return { events, waiting };
    };
    const expectWaiting = async (events: readonly EventId[], before: readonly Delivery[]) => {
      for (const { eventId, nextAttemptAt } of before) {
        const due = Number(nextAttemptAt?.seconds) * 1000;
        await vi.waitFor(async () => {
          expect(Math.abs((await nextAtTemporal(eventId as EventId)) - due)).toBeLessThan(5_000);
        }, PATIENCE);
      }
      expect(await Promise.all(events.map(deliveryOf))).toEqual(before);
    };

    test.each([
      ["killed", "kill"],
      ["stopped", "stop"],
    ] as const)(
      "%s and started again: no retry is sent before its time, and none is spent",
      async (_, end) => {
        const { events, waiting } = await allWaiting();
        await stack.temporal[end]();
        await stack.temporal.start();
        await vi.waitFor(async () => {
          expect((await refusedEarly()) + receiver.requests.length).toBeGreaterThanOrEqual(2 * WAITING);
        }, PATIENCE);
        expect(receiver.requests).toHaveLength(WAITING);
        await expectWaiting(events, waiting);
      },
    );

    test("restored from a backup that knows less than the log: nothing is sent before its time", async () => {
      const { events } = await allWaiting();
      await stack.temporal.kill();
      const files = readdirSync(stack.dir).filter((name) => name.startsWith("temporal.db"));
      for (const name of files) cpSync(join(stack.dir, name), join(stack.dir, `backup-${name}`));
      await stack.temporal.start();
      for (const eventId of events) {
        const { id } = await deliveryOf(eventId);
        askedFor.add(id);
        await stack.client.deliveries.retryDelivery({ id });
      }
      const later = await Promise.all(events.map((eventId) => attempts(eventId, 2)));
      await stack.temporal.kill();
      for (const name of readdirSync(stack.dir).filter((name) => name.startsWith("temporal.db")))
        rmSync(join(stack.dir, name));
      for (const name of files) cpSync(join(stack.dir, `backup-${name}`), join(stack.dir, name));
      await stack.temporal.start();
      await expectWaiting(events, later);
      expect(receiver.requests).toHaveLength(2 * WAITING);
    });
  });

  describe("under load", () => {
    shareStack();

    test("Temporal and the API are killed: ingest goes on without Temporal, and every accepted event arrives", async () => {
      const accepted = new Set<string>();
      let stop = false;
      const caller = async (name: number) => {
        for (let i = 0; !stop; i++) {
          const event = {
            eventType: "invoice_sent",
            snapshot: { case: "dataJson" as const, value: `{"InvoiceNumber":"INV-${name}-${i}"}` },
            idempotencyKey: `${name}-${i}`,
          };
          // A caller that got no answer asks again with the same key, until it has one.
          for (let answered = false; !answered; ) {
            try {
              accepted.add((await stack.client.events.ingestEvent(event)).eventId);
              answered = true;
            } catch {
              await sleep(50);
            }
          }
          // Fast enough that every kill meets some, and few enough to be delivered soon.
          await sleep(100);
        }
      };
      const callers = [1, 2, 3].map(caller);
      const more = async (count: number) => {
        const goal = accepted.size + count;
        await vi.waitFor(() => expect(accepted.size).toBeGreaterThan(goal), { timeout: 60_000, interval: 5 });
      };

      await more(50);
      await stack.temporal.kill();
      await more(50);
      await stack.temporal.start();
      await stack.apis[0]?.kill();
      await stack.apis[0]?.start();
      await more(50);
      await worker.kill();
      await worker.start();
      stop = true;
      await Promise.all(callers);

      const arrived = () => new Set(receiver.requests.map((request) => request.headers["webhook-id"] ?? ""));
      await vi.waitFor(() => expect(arrived().size).toBeGreaterThanOrEqual(accepted.size), {
        timeout: 150_000,
        interval: 200,
      });
      expect([...accepted].filter((id) => !arrived().has(id))).toEqual([]);
      // No phantom: what arrived was accepted.
      expect([...arrived()].filter((id) => !accepted.has(id))).toEqual([]);
    }, 300_000);
  });
}
