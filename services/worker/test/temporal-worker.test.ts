import { workflowCode } from "@posthaste/delivery/worker";
import { createAttemptLedger } from "@posthaste/store";
import { type DeliverySetup, setupDelivery } from "@posthaste/testkit/delivery";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createTemporalWorker, type TemporalWorker } from "../src/temporal/temporal-worker.ts";

const PATIENCE = { timeout: 20_000, interval: 50 };

let t: DeliverySetup;
let worker: TemporalWorker | undefined;
beforeEach(async () => {
  t = await setupDelivery("dev-server");
});
afterEach(async () => {
  await worker?.stop();
  await t.dispose();
});

async function running(buildId = "") {
  const { store, log, env } = t;
  const made = createTemporalWorker({
    temporal: { connectionOptions: { address: env.address } },
    log,
    workflowBundle: await workflowCode(),
    buildId,
  });
  worker = made;
  made.start({
    store,
    log,
    now: () => Date.now(),
    ledger: createAttemptLedger(store),
    concurrencyDefault: 32,
    egress: () => Promise.reject(new Error("nothing is sent")),
  });
  await vi.waitFor(() => expect(made.polls()).toBe(true), PATIENCE);
  return made;
}

test("a worker's starts may be eager, on the connection that it polls on", async () => {
  expect((await running()).client()).toBeDefined();
});

test("a version's may not: what is not current would get their first tasks", async () => {
  expect((await running("v2")).client()).toBeUndefined();
});
