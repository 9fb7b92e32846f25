import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createShares } from "@posthaste/delivery/activities";
import { connectTemporal, namesOf } from "@posthaste/delivery/client";
import { workflowCode } from "@posthaste/delivery/worker";
import { createStopDeadline, type Log } from "@posthaste/runtime";
import { createAttemptLedger, readInstallation } from "@posthaste/store";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { quietTemporal } from "@posthaste/testkit/delivery";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createTemporalWorker, type TemporalWorker } from "../src/temporal/temporal-worker.ts";

/* Temporal's address accepts connections and answers nothing. */

const PATIENCE = { timeout: 20_000, interval: 20 };

let silent: Server;
const sockets = new Set<Socket>();
let database: TestStore;
let worker: TemporalWorker | undefined;
let lines: { event: string; fields: Readonly<Record<string, unknown>> | undefined }[];
beforeEach(async () => {
  quietTemporal();
  lines = [];
  database = await createTestStore("sqlite");
  silent = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
  });
  await once(silent.listen(0, "127.0.0.1"), "listening");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const socket of sockets) socket.destroy();
  await worker?.stop(createStopDeadline(60_000));
  await new Promise((resolve) => silent.close(resolve));
  await database.dispose();
});

const log: Log = {
  info: (event, fields) => void lines.push({ event, fields }),
  warn: (event, fields) => void lines.push({ event, fields }),
  error: (event, error, fields) => void lines.push({ event, fields: { ...fields, error } }),
  with: () => log,
};
const address = () => `127.0.0.1:${(silent.address() as AddressInfo).port}`;
async function startWorker(): Promise<TemporalWorker> {
  const temporal = { connectionOptions: { address: address(), apiKey: "hush", tls: false } };
  const client = connectTemporal(temporal);
  const started = createTemporalWorker({
    temporal,
    log,
    workflowBundle: await workflowCode(),
    buildId: "",
    client,
    names: namesOf(await readInstallation(database.store)),
    shutdownWithinMs: 1_000,
  });
  worker = started;
  started.start({
    store: database.store,
    log,
    now: () => Date.now(),
    ledger: createAttemptLedger(database.store),
    concurrencyDefault: 32,
    shares: { first: createShares(10), retries: createShares(10) },
    egress: () => Promise.reject(new Error("nothing is sent")),
  });
  return started;
}

test.each([
  ["TEMPORAL_ADDRESS", "127.0.0.1:1"],
  ["the profile in TEMPORAL_CONFIG_FILE", ""],
])("a worker tries again, and says where it found no Temporal, by %s", async (setting, variable) => {
  vi.stubEnv("TEMPORAL_ADDRESS", variable);
  await startWorker();
  await vi.waitFor(() => expect(lines).not.toEqual([]), PATIENCE);
  for (const { event, fields } of lines) {
    expect({ event, ...fields }).toMatchObject({
      event: "temporal.disconnected",
      address: address(),
      setting,
    });
    expect(JSON.stringify(fields)).not.toContain("hush");
  }
});
