import { createPosthasteClient } from "@posthaste/client";
import { DeliveryState } from "@posthaste/contracts/delivery";
import { type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

const PATIENCE = { timeout: 60_000, interval: 50 };
const HOUR_MS = 3_600_000;
/** Fewer than one subscription may have in flight, so that all are sent at once. */
const EVENTS = 30;

let stack: Stack;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
  stack = await startStack({
    database: "mysql",
    lane: "direct",
    apis: 2,
    workers: 2,
    machinesAheadMs: { apis: [0, 2 * HOUR_MS], workers: [-HOUR_MS, 2 * HOUR_MS] },
  });
});
afterEach(async () => {
  await receiver.stop();
  await endStack(stack);
});

test("machines whose clocks are hours apart send every delivery once, and say so", async () => {
  let release = () => {};
  const allArrived = new Promise<void>((resolve) => {
    release = resolve;
  });
  // While the answers are held, a worker would send again what another one's lease did not protect.
  receiver.answer(async (_request, n) => {
    if (n === EVENTS) release();
    await allArrived;
    return { kind: "status", status: 200 };
  });
  await stack.subscribe(receiver.url);
  const clients = stack.apiUrls.map((baseUrl) => createPosthasteClient({ baseUrl, token: stack.token }));
  await Promise.all(
    Array.from({ length: EVENTS }, (_, i) =>
      clients[i % clients.length]?.events.ingestEvent({
        eventType: "invoice_sent",
        snapshot: { case: "dataJson", value: `{"InvoiceNumber":"INV-${i}"}` },
      }),
    ),
  );
  await vi.waitFor(async () => {
    const { deliveries } = await stack.client.deliveries.listDeliveries({
      state: DeliveryState.SUCCEEDED,
      pageSize: EVENTS,
    });
    expect(deliveries).toHaveLength(EVENTS);
  }, PATIENCE);
  const numbers = receiver.requests.map(({ headers }) => headers["webhook-id"]);
  expect([numbers.length, new Set(numbers).size]).toEqual([EVENTS, EVENTS]);
  const stampedMs = Number(receiver.requests[0]?.headers["webhook-timestamp"]) * 1_000;
  expect(Math.abs(stampedMs - Date.now())).toBeLessThan(HOUR_MS / 2);
  expect([...stack.workers, ...stack.apis].map((child) => child.log().includes("clock.skewed"))).toEqual([
    true,
    true,
    false,
    true,
  ]);
  await Promise.all(clients.map((client) => client.close()));
}, 180_000);
