import { workflowCode } from "@posthaste/delivery/worker";
import { createAttemptLedger } from "@posthaste/store";
import { type DeliverySetup, setupDelivery } from "@posthaste/testkit/delivery";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runTemporalWorker } from "../src/run-temporal-worker.ts";

const PATIENCE = { timeout: 20_000, interval: 50 };

let t: DeliverySetup;
let worker: ReturnType<typeof runTemporalWorker> | undefined;
beforeEach(async () => {
  t = await setupDelivery("dev-server");
});
afterEach(async () => {
  await worker?.stop();
  await t.dispose();
});

async function running(options: { buildId?: string } = {}) {
  const { store, log, env } = t;
  worker = runTemporalWorker({
    temporal: { connectionOptions: { address: env.address } },
    log,
    workflowBundle: await workflowCode(),
    deps: {
      store,
      log,
      now: () => Date.now(),
      ledger: createAttemptLedger(store),
      concurrencyDefault: 32,
      egress: () => Promise.reject(new Error("nothing is sent")),
    },
    ...options,
  });
  const made = worker;
  await vi.waitFor(() => expect(made.polls()).toBe(true), PATIENCE);
  return made;
}

test("a worker's starts may be eager, on the connection that it polls on", async () => {
  expect((await running()).client()).toBeDefined();
});

test("a version's may not: what is not current would get their first tasks", async () => {
  expect((await running({ buildId: "v2" })).client()).toBeUndefined();
});
