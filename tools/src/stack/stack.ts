import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { type AccountId, type Lane, SCOPES, type SubscriptionId } from "@posthaste/domain";
import { createAccount, createToken, type Store } from "@posthaste/store";
import { temporalBinary } from "@posthaste/temporal-servers";
import { createTestStore, TEST_SECRET_KEYS } from "@posthaste/testkit";
import { serviceArgs } from "../../start/programs.mjs";
import { accepts, freePort } from "../processes/ports.ts";
import { type Child, createChild } from "./child.ts";

/** The whole product on real parts: a database, a Temporal server with its state in a file, API and worker processes. */
export type Stack = {
  /** Where Temporal's files and the logs are. */
  readonly dir: string;
  readonly store: Store;
  readonly databaseUrl: string;
  readonly accountId: AccountId;
  readonly token: string;
  readonly apiUrl: string;
  readonly client: PosthasteClient;
  readonly temporalAddress: string;
  readonly temporal: Child;
  readonly apis: readonly Child[];
  readonly apiUrls: readonly string[];
  readonly workers: readonly Child[];
  readonly workerUrls: readonly string[];
  /** `POST /api/Webhook` as an external developer does; resolves with the subscription's ID. */
  subscribe(targetUrl: string, event?: string): Promise<SubscriptionId>;
  dispose(): Promise<void>;
};

export type StackOptions = {
  readonly database?: "sqlite" | "mysql";
  /** The MySQL server to make the database on. Default: the one of the test run. */
  readonly mysqlUrl?: string | undefined;
  /** Default: `workflow`. */
  readonly lane?: Lane;
  readonly apis?: number;
  readonly workers?: number;
  /** The Temporal server's dynamic configuration, such as `matching.updateAckInterval`; values are YAML. */
  readonly temporalSettings?: Readonly<Record<string, string>>;
  /** Environment for API and worker beside what the stack sets. */
  readonly env?: Readonly<Record<string, string>>;
  /** For Node, before the service's file, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
  /** What API and worker connect to instead of the database's own URL, such as a proxy. */
  readonly databaseUrl?: (url: string) => Promise<string>;
};

const root = fileURLToPath(new URL("../../../", import.meta.url));

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const dir = mkdtempSync(join(tmpdir(), "posthaste-e2e-"));
  const { store, url, dispose } = await createTestStore(options.database ?? "sqlite", options.mysqlUrl);
  const account = await createAccount(store, { name: "e2e", now: Date.now() });
  const { secret: token } = await createToken(store, {
    accountId: account.id,
    name: "e2e",
    scopes: [...SCOPES],
    expiresAt: null,
    now: Date.now(),
  });

  const temporalPort = await freePort();
  const temporal = createChild({
    command: await temporalBinary(),
    args: [
      ...["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", String(temporalPort)],
      ...["--db-filename", join(dir, "temporal.db"), "--log-level", "error"],
      ...["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"],
      ...Object.entries(options.temporalSettings ?? {}).flatMap(([name, value]) => [
        "--dynamic-config-value",
        `${name}=${value}`,
      ]),
    ],
    env: {},
    logPath: join(dir, "temporal.log"),
    isReady: () => accepts(temporalPort),
  });

  const temporalAddress = `127.0.0.1:${temporalPort}`;
  const shared = {
    DATABASE_URL: options.databaseUrl === undefined ? url : await options.databaseUrl(url),
    TEMPORAL_ADDRESS: temporalAddress,
    POSTHASTE_SECRET_KEYS: TEST_SECRET_KEYS,
    POSTHASTE_EGRESS_ALLOW: "127.0.0.0/8",
    POSTHASTE_LANE: options.lane ?? "workflow",
    ...options.env,
  };
  const workerPorts = await ports(options.workers ?? 1);
  const workers = workerPorts.map((port, i) =>
    createChild({
      command: process.execPath,
      args: [...(options.nodeArgs ?? []), ...serviceArgs(root, "worker")],
      env: { ...shared, POSTHASTE_WORKER_PORT: String(port) },
      logPath: join(dir, `worker-${i}.log`),
      isReady: async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok,
    }),
  );
  const apiPorts = await ports(options.apis ?? 1);
  const apis = apiPorts.map((port, i) =>
    createChild({
      command: process.execPath,
      args: [...(options.nodeArgs ?? []), ...serviceArgs(root, "api")],
      env: {
        ...shared,
        POSTHASTE_PORT: String(port),
        POSTHASTE_METRICS_PORT: "0",
        POSTHASTE_WORKER_URLS: workerPorts.map((workerPort) => `http://127.0.0.1:${workerPort}`).join(","),
      },
      logPath: join(dir, `api-${i}.log`),
      isReady: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
    }),
  );
  const end = async () => {
    await Promise.all([...workers, ...apis, temporal].map((child) => child.kill()));
    await dispose();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await temporal.start();
    await Promise.all([...workers, ...apis].map((child) => child.start()));
  } catch (error) {
    // One that does not start must not leave the others behind.
    await end();
    throw error;
  }

  const apiUrls = apiPorts.map((port) => `http://127.0.0.1:${port}`);
  const apiUrl = apiUrls[0] ?? "";
  const client = createPosthasteClient({ baseUrl: apiUrl, token });
  return {
    dir,
    store,
    databaseUrl: url,
    accountId: account.id,
    token,
    apiUrl,
    client,
    temporalAddress,
    temporal,
    apis,
    apiUrls,
    workers,
    workerUrls: workerPorts.map((port) => `http://127.0.0.1:${port}`),
    async subscribe(targetUrl, event = "invoice_sent") {
      const response = await fetch(`${apiUrl}/api/Webhook`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ target_url: targetUrl, event }),
      });
      if (response.status !== 201)
        throw new Error(`subscribing answered ${response.status}: ${await response.text()}`);
      return ((await response.json()) as { ID: SubscriptionId }).ID;
    },
    async dispose() {
      await client.close();
      await end();
    },
  };
}

async function ports(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const port = await freePort();
    if (!found.includes(port)) found.push(port);
  }
  return found;
}
