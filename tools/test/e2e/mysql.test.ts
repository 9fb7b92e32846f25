import { setTimeout as sleep } from "node:timers/promises";
import { createPosthasteClient } from "@posthaste/client";
import { DeliveryState } from "@posthaste/contracts/delivery";
import { type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver, startTcpProxy, type TcpProxy } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

const OUTAGE_MS = 20_000;
const PATIENCE = { timeout: 120_000, interval: 200 };

let stack: Stack;
let receiver: Receiver;
let proxy: TcpProxy | undefined;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  await receiver.stop();
  await endStack(stack).finally(() => proxy?.stop());
  proxy = undefined;
});

const event = (n: number) => ({
  eventType: "invoice_sent",
  snapshot: { case: "dataJson" as const, value: `{"InvoiceNumber":"INV-${n}"}` },
});

test("two APIs and two workers on one MySQL start no delivery twice and miss none", async () => {
  stack = await startStack({ database: "mysql", apis: 2, workers: 2 });
  await stack.subscribe(receiver.url);
  const clients = stack.apiUrls.map((baseUrl) => createPosthasteClient({ baseUrl, token: stack.token }));
  const accepted: string[] = [];
  await Promise.all(
    clients.flatMap((client, c) =>
      [0, 1, 2, 3].map(async (lane) => {
        for (let i = 0; i < 25; i++) {
          accepted.push((await client.events.ingestEvent(event(c * 1_000 + lane * 100 + i))).eventId);
        }
      }),
    ),
  );
  await Promise.all(clients.map((client) => client.close()));
  expect(new Set(accepted).size).toBe(200);

  await vi.waitFor(async () => {
    const { deliveries } = await stack.client.deliveries.listDeliveries({
      state: DeliveryState.SUCCEEDED,
      pageSize: 500,
    });
    expect(deliveries).toHaveLength(200);
  }, PATIENCE);
  // One request each. A delivery that was started twice would cause two.
  expect(receiver.requests).toHaveLength(200);
  expect(new Set(receiver.requests.map((request) => request.headers["webhook-id"]))).toEqual(
    new Set(accepted),
  );
}, 180_000);

describe("a database that is unreachable for 20 seconds", () => {
  beforeEach(async () => {
    stack = await startStack({
      database: "mysql",
      env: { POSTHASTE_DISPATCH_LEASE_MS: "1000" },
      databaseUrl: async (url) => {
        const target = new URL(url);
        proxy = await startTcpProxy({ host: target.hostname, port: Number(target.port) });
        target.port = String(proxy.port);
        return target.href;
      },
    });
    await stack.subscribe(receiver.url);
  });
  const firstAttemptLogged = () =>
    vi.waitFor(async () => {
      const { deliveries } = await stack.client.deliveries.listDeliveries({});
      expect(deliveries).toMatchObject([{ attempts: 1, state: DeliveryState.STARTED }]);
    }, PATIENCE);
  const attemptNumbers = () =>
    new Set(receiver.requests.map((request) => request.headers["webhook-attempt"]));

  test("while a result is written: no attempt is spent, and at most one request is repeated", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    receiver.answer(async (_request, n) => {
      if (n === 1) await held;
      return { kind: "status", status: 500 };
    });
    await stack.client.events.ingestEvent(event(1));
    await receiver.waitFor(1, { timeoutMs: 30_000 });
    proxy?.cut();
    release();
    const refused = await fetch(`${stack.apiUrl}/api/Webhook`, {
      headers: { authorization: `Bearer ${stack.token}` },
    });
    expect(refused.status).toBe(503);
    expect((await fetch(`${stack.apiUrl}/readyz`)).status).toBe(503);
    // A fixed wait, because the test is about the length of the outage.
    await sleep(OUTAGE_MS);
    proxy?.mend();
    await firstAttemptLogged();
    expect(receiver.requests.length).toBeLessThanOrEqual(2);
    expect(attemptNumbers()).toEqual(new Set(["1"]));
  }, 180_000);

  test("while an attempt begins: no attempt is spent, and the first request is sent after the outage", async () => {
    receiver.answer({ kind: "status", status: 500 });
    stack.temporal.pause();
    await stack.client.events.ingestEvent(event(1));
    await vi.waitFor(async () => {
      const row = await stack.store.db.selectFrom("deliveries").select("lease_until").executeTakeFirst();
      expect(row?.lease_until).not.toBeNull();
    }, PATIENCE);
    proxy?.cut();
    stack.temporal.resume();
    await sleep(OUTAGE_MS);
    expect(receiver.requests).toHaveLength(0);
    proxy?.mend();
    await firstAttemptLogged();
    expect(receiver.requests).toHaveLength(1);
    expect(attemptNumbers()).toEqual(new Set(["1"]));
  }, 180_000);
});
