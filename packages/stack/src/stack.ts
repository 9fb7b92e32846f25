import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import {
  type AccountId,
  type InstallationId,
  type Lane,
  SCOPES,
  type SubscriptionId,
} from "@posthaste/domain";
import { createAccount, createToken, readInstallation, type Store } from "@posthaste/store";
import { temporalBinary } from "@posthaste/temporal-servers";
import { answersOk, createTestStore, freePort, TEST_SECRET_KEYS } from "@posthaste/testkit";
import { type Child, createChild, type Program } from "./child.ts";
import { type MachinesAhead, ROOT, servicePrograms, temporalProgram, urlOf } from "./programs.ts";

/** The whole product without mocks: a database, a Temporal server, and API and worker processes. */
export type Stack = {
  /** The folder with Temporal's files and the logs. */
  readonly dir: string;
  readonly store: Store;
  readonly databaseUrl: string;
  /** Part of every name in Temporal. */
  readonly installation: InstallationId;
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
  /**
   * Subscribes with `POST /api/Webhook`, as an external developer does. Resolves with the subscription's ID.
   */
  subscribe(targetUrl: string, event?: string): Promise<SubscriptionId>;
  /** Kills all processes, and deletes the database and the folder. */
  dispose(): Promise<void>;
};

export type StackOptions = {
  /** Default: `sqlite`. */
  readonly database?: "sqlite" | "mysql";
  /** The MySQL server to create the database on. Default: that of the test run. */
  readonly mysqlUrl?: string | undefined;
  /** Default: `workflow`. */
  readonly lane?: Lane;
  /** Default: 1. */
  readonly apis?: number;
  /** Default: 1. */
  readonly workers?: number;
  /** The Temporal server's dynamic configuration, such as `matching.updateAckInterval`; values are YAML. */
  readonly temporalSettings?: Readonly<Record<string, string>>;
  /** Further environment of API and worker, which overrides the stack's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments for Node, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
  readonly machinesAheadMs?: MachinesAhead;
  /** The folder for SQLite's file. Default: one of its own, in memory if there is room. */
  readonly databaseDir?: string | undefined;
  /** The folder for the logs of APIs and workers that are not piped. Default: the stack's. */
  readonly logDir?: string | undefined;
  /** The logs of the processes with these numbers go through a pipe that can stall; see {@link Child}. */
  readonly pipedLogs?: readonly number[];
  /** Returns the URL that API and worker connect to instead of the database's, such as that of a proxy. */
  readonly databaseUrl?: (url: string) => Promise<string>;
  /** Prepares the database before any process starts, for example with the user of `databaseUrl`. */
  readonly beforeStart?: (store: Store) => Promise<void>;
};

/** Starts a stack. If a process does not start, the others are ended. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const dir = mkdtempSync(join(tmpdir(), "posthaste-e2e-"));
  const { store, url, dispose } = await createTestStore(
    options.database ?? "sqlite",
    options.mysqlUrl,
    options.databaseDir,
  );
  const { accountId, token } = await accountWithToken(store);
  const installation = await readInstallation(store);
  await options.beforeStart?.(store);
  const { temporal, apis, workers, ...addresses } = await processesIn(dir, url, options);
  const killAll = () => Promise.all([...workers, ...apis, temporal].map((child) => child.kill()));
  // A command that is stopped exits without calling `dispose`.
  const killWithProcess = () => void killAll();
  process.on("exit", killWithProcess);
  const end = async () => {
    await killAll();
    process.off("exit", killWithProcess);
    await dispose();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await temporal.start();
    await Promise.all([...workers, ...apis].map((child) => child.start()));
  } catch (error) {
    // A process that does not start must not leave the others running.
    await end();
    throw error;
  }
  const apiUrl = addresses.apiUrls[0] ?? "";
  const client = createPosthasteClient({ baseUrl: apiUrl, token });
  return {
    ...{
      dir,
      store,
      databaseUrl: url,
      installation,
      accountId,
      token,
      apiUrl,
      client,
      temporal,
      apis,
      workers,
    },
    ...addresses,
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

async function accountWithToken(store: Store): Promise<{ accountId: AccountId; token: string }> {
  const now = Date.now();
  const { id: accountId } = await createAccount(store, { name: "e2e", now });
  const scopes = [...SCOPES];
  const { secret } = await createToken(store, { accountId, name: "e2e", scopes, expiresAt: null, now });
  return { accountId, token: secret };
}

async function processesIn(dir: string, databaseUrl: string, options: StackOptions) {
  const ports = (count: number) => Promise.all(Array.from({ length: count }, () => freePort()));
  const [temporalPort, apiPorts, workerPorts] = [
    await freePort(),
    await ports(options.apis ?? 1),
    await ports(options.workers ?? 1),
  ];
  const temporalAddress = `127.0.0.1:${temporalPort}`;
  const inherited = { PATH: process.env["PATH"], HOME: process.env["HOME"] };
  const child = (program: Program, log: string) =>
    createChild({ ...program, cwd: ROOT, logPath: join(dir, `${log}.log`) });
  const service = (program: Program, kind: "api" | "worker", i: number) => {
    const piped = options.pipedLogs?.includes(i) ?? false;
    const logDir = piped ? dir : (options.logDir ?? dir);
    return createChild({ ...program, cwd: ROOT, logPath: join(logDir, `${kind}-${i}.log`), piped });
  };
  const temporal = temporalProgram({
    binary: await temporalBinary(),
    env: inherited,
    port: temporalPort,
    databasePath: join(dir, "temporal.db"),
    settings: options.temporalSettings ?? {},
  });
  const { apis, workers } = servicePrograms({
    apiPorts,
    workerPorts,
    nodeArgs: options.nodeArgs ?? [],
    machinesAheadMs: options.machinesAheadMs ?? {},
    env: {
      ...inherited,
      DATABASE_URL: (await options.databaseUrl?.(databaseUrl)) ?? databaseUrl,
      TEMPORAL_ADDRESS: temporalAddress,
      POSTHASTE_SECRET_KEYS: TEST_SECRET_KEYS,
      POSTHASTE_EGRESS_ALLOW: "127.0.0.0/8",
      // All receivers are on one host.
      POSTHASTE_UNPROVEN_HOST_SUBSCRIPTIONS_MAX: "1000000",
      POSTHASTE_HOST_ATTEMPTS_MAX: "10000",
      POSTHASTE_LANE: options.lane ?? "workflow",
      ...options.env,
    },
  });
  const workerUrls = workerPorts.map(urlOf);
  return {
    temporalAddress,
    temporal: child(temporal, "temporal"),
    apiUrls: apiPorts.map(urlOf),
    apis: apis.map((api, i) => service(api, "api", i)),
    workerUrls,
    // The check is /healthz, since tests also start a worker while its dependencies are unavailable.
    workers: workers.map((worker, i) =>
      service({ ...worker, isReady: () => answersOk(`${workerUrls[i]}/healthz`) }, "worker", i),
    ),
  };
}
