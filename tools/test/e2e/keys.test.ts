import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { DeliveryState } from "@posthaste/contracts/delivery";
import type { Lane } from "@posthaste/domain";
import { type Child, ROOT, type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver, TEST_SECRET_KEYS } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const PATIENCE = { timeout: 60_000, interval: 100 };
const TIMEOUT_MS = 180_000;
const FIRST = TEST_SECRET_KEYS;
const SECOND = `second:${Buffer.alloc(32, 9).toString("base64")}`;

let stack: Stack;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  await receiver.stop();
  await stack.dispose();
});

const start = async (lane: Lane) => {
  stack = await startStack({ lane, workers: 2, env: { POSTHASTE_DISPATCH_LEASE_MS: "2000" } });
};
const restart = async (keys: string, ...children: (Child | undefined)[]) => {
  await Promise.all(
    children.map(async (child) => {
      child?.set({ POSTHASTE_SECRET_KEYS: keys });
      expect(await child?.stop()).toBe(0);
      await child?.start();
    }),
  );
};
/**
 * Ingests ten events for a new subscription, and waits until each is delivered at the first attempt.
 *
 * @param ingested called before the wait
 */
const deliver = async (path: string, ingested = async () => {}) => {
  const subscriptionId = await stack.subscribe(`${receiver.url}${path}`);
  for (let n = 0; n < 10; n++) {
    const snapshot = { case: "dataJson", value: "{}" } as const;
    await stack.client.events.ingestEvent({ eventType: "invoice_sent", snapshot });
  }
  await ingested();
  await vi.waitFor(async () => {
    const { deliveries } = await stack.client.deliveries.listDeliveries({ subscriptionId });
    const ends = deliveries.map(({ state, attempts }) => `${DeliveryState[state]} ${attempts}`);
    expect(ends).toEqual(Array.from({ length: 10 }, () => "SUCCEEDED 1"));
  }, PATIENCE);
  await stack.client.subscriptions.deleteSubscription({ id: subscriptionId });
};
const logged = () => [...stack.apis, ...stack.workers].map((child) => child.log()).join("");

test(
  "a sealing key is replaced by the documented steps while events are delivered: none waits for a key",
  async () => {
    await start("workflow");
    await stack.subscribe(`${receiver.url}sealed-by-the-first`);
    const [worker, other] = stack.workers;
    const step = async (keys: string) => {
      await restart(keys, stack.apis[0], worker);
      await deliver("one-is-behind");
      await restart(keys, other);
      await deliver("none-is-behind");
    };
    await step(`${FIRST},${SECOND}`);
    await step(`${SECOND},${FIRST}`);
    const main = join(ROOT, "services/operator/dist/main.js");
    const env = { DATABASE_URL: stack.databaseUrl, POSTHASTE_SECRET_KEYS: `${SECOND},${FIRST}` };
    const { stdout } = spawnSync(process.execPath, [main, "reseal"], { env, encoding: "utf8" });
    // The subscription's keys, and the secret of sensitive keys.
    expect(stdout).toBe("secrets resealed with the first key: 2\n");
    await step(SECOND);
    expect(logged()).not.toMatch(/"(delivery\.faulted|delivery\.waits|request\.faulted)"/);
  },
  TIMEOUT_MS,
);

test.each(["workflow", "direct"] as const)(
  "a key that one worker lacks makes deliveries wait for the other worker, without a fault, in the lane %s",
  async (lane) => {
    await start(lane);
    // In the wrong order: the new key seals at once, and the second worker has not heard of it.
    const [knowing, other] = stack.workers;
    await restart(`${SECOND},${FIRST}`, stack.apis[0], knowing);
    // With both at once, chance decides which of them takes a delivery, and how often it has to wait.
    await knowing?.stop();
    await deliver("wrong-order", async () => {
      await vi.waitFor(() => expect(other?.log()).toMatch(/"for":"key","keyId":"second"/), PATIENCE);
      const metrics = await (await fetch(`${stack.workerUrls[1]}/metrics`)).text();
      expect(metrics).toMatch(/^posthaste_unknown_key_waits_total [1-9]/m);
      expect(metrics).toMatch(/^posthaste_faults_total 0$/m);
      await knowing?.start();
      await other?.stop();
    });
    expect(logged()).not.toContain('"delivery.faulted"');
  },
  TIMEOUT_MS,
);
