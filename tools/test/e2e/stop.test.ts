import { DeliveryState } from "@posthaste/contracts/delivery";
import { connectTemporal, inspectDelivery, namesOf } from "@posthaste/delivery/client";
import type { DeliveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { type Child, type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver, startTcpProxy, type TcpProxy } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

/*
 * A worker is stopped while Temporal accepts connections and answers nothing, and while deliveries of the
 * direct lane wait for their hand-over to it.
 */

const PATIENCE = { timeout: 120_000, interval: 100 };
const TIMEOUT_MS = 300_000;
const SUBSCRIPTIONS = 4;
/** More than the hand-overs that are under way at once, and fewer than a subscription's places. */
const EVENTS = 8;
const DELIVERIES = SUBSCRIPTIONS * EVENTS;

let stack: Stack;
let receiver: Receiver;
let proxy: TcpProxy;
beforeEach(async () => {
  receiver = await startReceiver();
  const target = { host: "127.0.0.1", port: 0 };
  proxy = await startTcpProxy(target);
  proxy.silence();
  stack = await startStack({
    lane: "direct",
    env: {
      TEMPORAL_ADDRESS: `127.0.0.1:${proxy.port}`,
      POSTHASTE_RECONCILE_INTERVAL_MS: "500",
      POSTHASTE_DISPATCH_LEASE_MS: "2000",
      // Less than a call to Temporal may take.
      POSTHASTE_STOP_WITHIN_MS: "1000",
    },
  });
  target.port = Number(stack.temporalAddress.split(":")[1]);
});
afterEach(async () => {
  await proxy.stop();
  await receiver.stop();
  await endStack(stack, new Set(await allDeliveries().then((all) => all.map(({ id }) => id))));
});

const allDeliveries = async () =>
  (await stack.client.deliveries.listDeliveries({ pageSize: DELIVERIES })).deliveries;

/** Ingests events whose first attempts are all in flight before the first of them fails. */
async function failTogether(): Promise<void> {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  receiver.answer(async () => {
    await held;
    return { kind: "status", status: 500 };
  });
  for (let i = 0; i < SUBSCRIPTIONS; i++) await stack.subscribe(`${receiver.url}${i}`);
  const event = { eventType: "invoice_sent", snapshot: { case: "dataJson" as const, value: "{}" } };
  await stack.client.events.ingestEvents({ events: Array.from({ length: EVENTS }, () => event) });
  await receiver.waitFor(DELIVERIES, { timeoutMs: PATIENCE.timeout });
  release();
  await vi.waitFor(async () => {
    const all = await allDeliveries();
    expect(all.filter(({ attempts }) => attempts === 1)).toHaveLength(DELIVERIES);
  }, PATIENCE);
}

function lastLine(child: Child): unknown {
  const lines = child.log().trim().split("\n");
  return JSON.parse(lines.filter((line) => line.includes('"event":"process.')).at(-1) ?? "null");
}

test(
  "a stop does not wait for Temporal, and the next worker hands over and delivers all that it left",
  async () => {
    const [worker] = stack.workers;
    const [api] = stack.apis;
    if (worker === undefined || api === undefined) throw new Error("a worker and an API are needed");
    await failTogether();

    await worker.stop(MINUTE_MS);
    expect(await worker.ended()).toBe("was ended by SIGTERM");
    const line = lastLine(worker) as { left: Record<string, number> };
    expect(line).toMatchObject({ event: "process.stopped", left: { hand_overs: expect.any(Number) } });
    expect(line.left["hand_overs"]).toBeGreaterThan(0);

    proxy.mend();
    receiver.answer({ kind: "status", status: 200 });
    // The API's connection to Temporal is one of those that the silence has killed.
    await api.kill();
    await Promise.all([api.start(), worker.start()]);
    const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
    const temporal = { client, names: namesOf(stack.installation) };
    try {
      for (const { id } of await allDeliveries()) {
        await vi.waitFor(async () => {
          expect((await inspectDelivery(temporal, id as DeliveryId)).kind).toBe("running");
        }, PATIENCE);
        await stack.client.deliveries.retryDelivery({ id });
      }
    } finally {
      await client.connection.close();
    }
    await vi.waitFor(async () => {
      for (const { state } of await allDeliveries()) expect(state).toBe(DeliveryState.SUCCEEDED);
    }, PATIENCE);
    const sent = receiver.requests.map(
      ({ headers }) => `${headers["webhook-delivery"]} ${headers["webhook-attempt"]}`,
    );
    const ids = (await allDeliveries()).map(({ id }) => id);
    expect(sent.sort()).toEqual(ids.flatMap((id) => [`${id} 1`, `${id} 2`]).sort());
  },
  TIMEOUT_MS,
);
