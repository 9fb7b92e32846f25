import { DeliveryState } from "@posthaste/contracts/delivery";
import { type Stack, startStack } from "@posthaste/stack";
import { lockWrites, type Receiver, startReceiver } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

const PATIENCE = { timeout: 60_000, interval: 50 };

let stack: Stack;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
  stack = await startStack({
    workers: 2,
    // Half of Temporal's default. After this time, Temporal gives a silent worker's attempt to another
    // worker.
    temporalSettings: { "history.defaultWorkflowTaskTimeout": '"5s"' },
  });
});
afterEach(async () => {
  await receiver.stop();
  await endStack(stack);
});

test("a worker that resumes mid-attempt after it counted as dead does not record the attempt a second time", async () => {
  const [heir, zombie] = stack.workers;
  if (heir === undefined || zombie === undefined) throw new Error("two workers are needed");
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  receiver.answer(async (_request, n) => {
    if (n === 1) await held;
    return { kind: "status", status: n === 1 ? 503 : 500 };
  });
  // Only one worker runs, so it gets the attempt.
  await heir.kill();
  await stack.subscribe(receiver.url);
  await stack.client.events.ingestEvent({
    eventType: "invoice_sent",
    snapshot: { case: "dataJson", value: '{"InvoiceNumber":"INV-1"}' },
  });
  await receiver.waitFor(1, { timeoutMs: 30_000 });
  // Paused while it holds SQLite's write lock, the worker would block everyone; so the test takes the lock
  // first.
  const lock = await lockWrites(stack.databaseUrl);
  zombie.pause();
  await lock.release();
  await heir.start();
  await receiver.waitFor(2, { timeoutMs: 60_000 });
  const delivery = await vi.waitFor(async () => {
    const { deliveries } = await stack.client.deliveries.listDeliveries({});
    expect(deliveries).toMatchObject([{ attempts: 1, state: DeliveryState.STARTED }]);
    return deliveries[0];
  }, PATIENCE);

  release();
  zombie.resume();
  await vi.waitFor(() => expect(zombie.log()).toContain('"recorded":"already_recorded"'), PATIENCE);
  const { attempts } = await stack.client.deliveries.listAttempts({ deliveryId: delivery?.id ?? "" });
  expect(attempts).toMatchObject([{ number: 1, status: 500 }]);
  const { delivery: after } = await stack.client.deliveries.getDelivery({ id: delivery?.id ?? "" });
  expect(after).toEqual(delivery);
  expect(receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(["1", "1"]);
}, 180_000);
