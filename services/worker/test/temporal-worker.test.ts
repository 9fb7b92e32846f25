import { execFile } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import { promisify } from "node:util";
import { createShares } from "@posthaste/delivery/activities";
import {
  connectTemporal,
  isOutage,
  retryNow,
  scheduleRetention,
  unpause,
  wakeCancelled,
  whyTemporalAway,
} from "@posthaste/delivery/client";
import { workflowCode } from "@posthaste/delivery/worker";
import type { DeliveryId } from "@posthaste/domain";
import { createLog, createStopDeadline } from "@posthaste/runtime";
import { createAttemptLedger } from "@posthaste/store";
import { temporalBinary } from "@posthaste/temporal-servers";
import { type DeliverySetup, startSharedTemporal } from "@posthaste/testkit/delivery";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { createTemporalWorker, type TemporalWorker } from "../src/temporal/temporal-worker.ts";

const PATIENCE = { timeout: 20_000, interval: 50 };

let server: Awaited<ReturnType<typeof startSharedTemporal>>;
let t: DeliverySetup;
let worker: TemporalWorker | undefined;
const clients: ReturnType<typeof connectTemporal>[] = [];
beforeAll(async () => {
  server = await startSharedTemporal();
});
afterAll(() => server.stop());
beforeEach(async () => {
  t = await server.setupDelivery();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await worker?.stop(inTime());
  await Promise.all(clients.splice(0).map((client) => client.connection.close()));
  await t.dispose();
});

const inTime = () => createStopDeadline(60_000);

const sendsNothing = (): Promise<never> => Promise.reject(new Error("nothing is sent"));

async function started({
  buildId = "",
  namespace = "default",
  address = t.env.address,
  log = t.log,
  egress = sendsNothing,
  onDisconnected = () => {},
} = {}) {
  const { store } = t;
  const temporal = { connectionOptions: { address }, namespace };
  const client = connectTemporal(temporal);
  clients.push(client);
  const created = createTemporalWorker({
    names: t.temporal.names,
    temporal,
    client,
    log,
    workflowBundle: await workflowCode(),
    buildId,
  });
  worker = created;
  const deps = {
    store,
    log,
    now: () => Date.now(),
    ledger: createAttemptLedger(store),
    concurrencyDefault: 32,
    shares: { first: createShares(10), retries: createShares(10) },
    egress,
  };
  created.start(deps, onDisconnected);
  return created;
}

async function running(buildId?: string) {
  const created = await started(buildId === undefined ? {} : { buildId });
  await vi.waitFor(() => expect(created.polls()).toBe(true), PATIENCE);
  return created;
}

test("a worker whose namespace does not exist names the setting, and polls once it is created", async () => {
  vi.stubEnv("TEMPORAL_NAMESPACE", "later");
  const lines: string[] = [];
  const log = createLog("info", {}, { write: (line) => void lines.push(line) });
  const created = await started({ namespace: "later", log });
  const problem =
    'Temporal has no namespace "later": create it, or set TEMPORAL_NAMESPACE to one that exists';
  await vi.waitFor(() => expect(lines).not.toEqual([]), PATIENCE);
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    level: "error",
    time: expect.any(String),
    event: "temporal.disconnected",
    address: t.env.address,
    setting: "TEMPORAL_NAMESPACE",
    error: { type: "NoNamespace", message: problem },
  });
  const client = connectTemporal({ connectionOptions: { address: t.env.address }, namespace: "later" });
  const failure = scheduleRetention({ ...t.temporal, client }, 3_600_000);
  await expect(failure).rejects.toThrow(problem);
  expect(isOutage(await failure.catch((error: unknown) => error))).toBe(true);
  for (const call of [retryNow, wakeCancelled, unpause]) {
    await expect(call({ ...t.temporal, client }, "dlv_x" as DeliveryId)).rejects.toThrow(problem);
  }
  expect(await whyTemporalAway(client)).toBe("no_namespace");

  const create = ["operator", "namespace", "create", "--namespace", "later", "--address", t.env.address];
  await promisify(execFile)(await temporalBinary(), create);
  await vi.waitFor(() => expect(created.polls()).toBe(true), PATIENCE);
  expect(await whyTemporalAway(client)).toBeUndefined();
  await client.connection.close();
});

test("an unversioned worker offers a client for eager starts", async () => {
  expect((await running()).client()).toBeDefined();
});

test("a versioned worker offers none: it would get first tasks even if it is not current", async () => {
  expect((await running("v2")).client()).toBeUndefined();
});

test("a worker whose namespace does not exist says so once, tries again, and begins no thread for it", async () => {
  const threads: unknown[] = [];
  const onThread = (thread: unknown) => void threads.push(thread);
  process.on("worker", onThread);
  try {
    const onDisconnected = vi.fn();
    await started({ namespace: "nowhere", onDisconnected });
    await vi.waitFor(() => expect(onDisconnected.mock.calls.length).toBeGreaterThan(2), PATIENCE);
    await worker?.stop(inTime());
    expect(t.logged("temporal.disconnected").map(({ error }) => String(error))).toEqual([
      expect.stringContaining("nowhere"),
    ]);
    expect(threads).toEqual([]);
  } finally {
    process.off("worker", onThread);
  }
});

test("a stop does not wait for a Temporal that accepts connections and answers nothing", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const asked = new Promise((resolve) => silent.once("connection", resolve));
  try {
    const { port } = silent.address() as AddressInfo;
    const created = await started({ address: `127.0.0.1:${port}` });
    await asked;
    const deadline = inTime();
    await created.stop(deadline);
    expect(deadline.left()).toEqual({});
    expect(t.logged("temporal.disconnected")).toEqual([]);
  } finally {
    silent.close();
  }
});

test("a stop does not wait beyond its deadline for an attempt that does not end", async () => {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<never>();
  const created = await started({
    egress: () => {
      begun.resolve();
      return ended.promise;
    },
  });
  await t.deliver();
  await begun.promise;
  const deadline = createStopDeadline(1);
  await created.stop(deadline);
  expect(deadline.left()).toEqual({ temporal_worker: 1 });
  ended.reject(new Error("the process ends"));
});
