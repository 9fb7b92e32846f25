import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Delivery, DeliveryState } from "@posthaste/contracts/delivery";
import { connectTemporal, inspectDelivery, namesOf } from "@posthaste/delivery/client";
import type { DeliveryId, EventId, Lane, SubscriptionId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { type Child, earlyInLog, type Stack, startStack } from "@posthaste/stack";
import { lockWrites, type Receiver, refuseMarks, startReceiver } from "@posthaste/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

/** Defines the crash tests with first attempts in one lane. */
export function crashSuite(lane: Lane): void {
  const PATIENCE = { timeout: 60_000, interval: 50 };
  const REQUEST_WITHIN = { timeoutMs: 60_000 };
  /** Longer than the sum of several waits. */
  const TEST_WITHIN_MS = 200_000;

  vi.setConfig({ testTimeout: TEST_WITHIN_MS });

  let stack: Stack;
  let receiver: Receiver;
  let worker: Child;
  let subscriptionId: SubscriptionId;
  /** Deliveries for which a test requested a retry. */
  const askedFor = new Set<string>();
  /** Starts one stack for a group of tests. Each test leaves it running and without open deliveries. */
  const shareStack = () => {
    beforeAll(async () => {
      stack = await startStack({
        lane,
        env: {
          // Tests wait for this lease after a kill. It must outlast a busy machine's delay in renewing it.
          POSTHASTE_DISPATCH_LEASE_MS: "5000",
          POSTHASTE_RECONCILE_INTERVAL_MS: "500",
        },
        temporalSettings: {
          // A restarted server dispatches every waiting retry, whenever its last attempt was.
          "matching.updateAckInterval": '"1h"',
          // Half of Temporal's default. After this time, Temporal gives a first attempt to another worker.
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
    // A test that failed halfway may have left a process paused or dead.
    stack.temporal.resume();
    for (const child of [stack.temporal, ...stack.apis, worker]) if (!child.running()) await child.start();
    expect(await earlyInLog(stack, askedFor)).toEqual([]);
    await endAll();
  });
  /** Ends all open deliveries, so that Temporal dispatches none of them during the next test. */
  async function endAll(): Promise<void> {
    await stack.client.subscriptions.deleteSubscription({ id: subscriptionId });
    const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
    const ids = await stack.store.db
      .selectFrom("deliveries")
      .select("id")
      .where("subscription_id", "=", subscriptionId)
      // The workflows of succeeded deliveries have ended.
      .where("state", "!=", "succeeded")
      .execute();
    for (const { id } of ids) {
      const handle = client.workflow.getHandle(namesOf(stack.installation).delivery(id));
      await handle.terminate().catch((error: Error) => {
        // A workflow that starts later finds its delivery cancelled and ends.
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
  /** Waits until the dispatcher has claimed the delivery, before it starts the workflow. */
  const claimed = (eventId: EventId) =>
    vi.waitFor(async () => {
      const row = await stack.store.db
        .selectFrom("deliveries")
        .select("lease_until")
        .where("event_id", "=", eventId)
        .executeTakeFirst();
      expect(row?.lease_until).not.toBeNull();
    }, PATIENCE);
  /** Holds the receiver's answers until the returned function is called. */
  function heldAnswers(status: number) {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    receiver.answer(async () => {
      await held;
      return { kind: "status", status };
    });
    return () => release();
  }
  /** Ends the time in which the reconciler leaves a failed direct attempt to the worker that sent it. */
  const endGrace = (eventId: EventId) =>
    stack.store.db
      .updateTable("deliveries")
      .set({ reconcile_after: Date.now() - 1 })
      .where("event_id", "=", eventId)
      .execute();
  /** Returns the time at which Temporal will start the next attempt. */
  async function nextAtTemporal(eventId: EventId): Promise<number> {
    const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
    try {
      const { id } = await deliveryOf(eventId);
      return await vi.waitFor(async () => {
        const standing = await inspectDelivery(
          { client, names: namesOf(stack.installation) },
          id as DeliveryId,
        );
        if (standing.kind !== "running" || standing.nextAttemptAt === undefined)
          throw new Error(standing.kind);
        // A restarted workflow passes through short waits before it reaches the scheduled one.
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
      test("between claim and start: the delivery is claimed again after the lease ends", async () => {
        stack.temporal.pause();
        const eventId = await ingest();
        await claimed(eventId);
        await worker.kill();
        stack.temporal.resume();
        await worker.start();
        expect(await attempts(eventId, 1)).toMatchObject({ state: DeliveryState.SUCCEEDED });
        expect(receiver.requests).toHaveLength(1);
      });

      test("between start and mark: the delivery is claimed again and its workflow continues", async () => {
        const release = heldAnswers(200);
        const marks = await refuseMarks(stack.store);
        const eventId = await ingest();
        await receiver.waitFor(1, REQUEST_WITHIN);
        await worker.kill();
        await marks.allow();
        expect(await deliveryOf(eventId)).toMatchObject({ state: DeliveryState.PENDING, attempts: 0 });
        release();
        await worker.start();
        expect(await attempts(eventId, 1)).toMatchObject({ state: DeliveryState.SUCCEEDED });
        expect(receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(["1", "1"]);
      });
    } else {
      test("while Temporal is unavailable: first attempts are still sent, and failed deliveries get a workflow later", async () => {
        receiver.answer((_request, n) => ({ kind: "status", status: n === 1 ? 200 : 500 }));
        stack.temporal.pause();
        expect(await attempts(await ingest(), 1)).toMatchObject({ state: DeliveryState.SUCCEEDED });
        const failed = await ingest();
        const { nextAttemptAt } = await attempts(failed, 1);
        await worker.kill();
        await endGrace(failed);
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
      const release = heldAnswers(500);
      const eventId = await ingest();
      await receiver.waitFor(1, REQUEST_WITHIN);
      const inFlight = lane === "direct" ? DeliveryState.PENDING : DeliveryState.STARTED;
      await vi.waitFor(async () => expect((await deliveryOf(eventId)).state).toBe(inFlight), PATIENCE);
      const lock = await lockWrites(stack.databaseUrl);
      release();
      // The worker gets the answer but cannot write the result.
      await vi.waitFor(() => expect(receiver.open()).toBe(0), PATIENCE);
      await worker.kill();
      await lock.release();
      expect((await deliveryOf(eventId)).attempts).toBe(0);
      await worker.start();
      await attempts(eventId, 1);
      expect(receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(["1", "1"]);
    });

    test("after the write: nothing is repeated, and the next attempt is still due at its time", async () => {
      const release = heldAnswers(500);
      const eventId = await ingest();
      await receiver.waitFor(1, REQUEST_WITHIN);
      // Keeps this worker from reporting the attempt to Temporal.
      stack.temporal.pause();
      release();
      const delivery = await attempts(eventId, 1);
      await worker.kill();
      if (lane === "direct") await endGrace(eventId);
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
    ] as const)("%s and restarted: no retry is sent early, and no attempt is spent", async (_, end) => {
      const { events, waiting } = await allWaiting();
      await stack.temporal[end]();
      await stack.temporal.start();
      await vi.waitFor(async () => {
        expect((await refusedEarly()) + receiver.requests.length).toBeGreaterThanOrEqual(2 * WAITING);
      }, PATIENCE);
      expect(receiver.requests).toHaveLength(WAITING);
      await expectWaiting(events, waiting);
    });

    test("restored from a backup older than the attempt log: no retry is sent early", async () => {
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

    test("Temporal, the API and a worker are killed: ingest works without Temporal, and every accepted event arrives", async () => {
      const accepted = new Set<string>();
      let stop = false;
      const caller = async (name: number) => {
        for (let i = 0; !stop; i++) {
          const event = {
            eventType: "invoice_sent",
            snapshot: { case: "dataJson" as const, value: `{"InvoiceNumber":"INV-${name}-${i}"}` },
            idempotencyKey: `${name}-${i}`,
          };
          // A caller without an answer repeats the call with the same key.
          for (let answered = false; !answered; ) {
            try {
              accepted.add((await stack.client.events.ingestEvent(event)).eventId);
              answered = true;
            } catch {
              await sleep(50);
            }
          }
          // Fast enough that every kill interrupts some calls, and slow enough that all are delivered soon.
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
      // No phantom: every event that arrived was accepted.
      expect([...arrived()].filter((id) => !accepted.has(id))).toEqual([]);
    }, 300_000);
  });
}
