import { createShares } from "@posthaste/delivery/activities";
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
  const created = createTemporalWorker({
    temporal: { connectionOptions: { address: env.address } },
    log,
    workflowBundle: await workflowCode(),
    buildId,
  });
  worker = created;
  created.start({
    store,
    log,
    now: () => Date.now(),
    ledger: createAttemptLedger(store),
    concurrencyDefault: 32,
    shares: { first: createShares(10), retries: createShares(10) },
    egress: () => Promise.reject(new Error("nothing is sent")),
  });
  await vi.waitFor(() => expect(created.polls()).toBe(true), PATIENCE);
  return created;
}

test("an unversioned worker offers a client for eager starts", async () => {
  expect((await running()).client()).toBeDefined();
});

test("a versioned worker offers none: it would get first tasks even if it is not current", async () => {
  expect((await running("v2")).client()).toBeUndefined();
});
