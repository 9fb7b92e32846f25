import { createShares } from "@posthaste/delivery/activities";
import { type Names, namesOf, startDelivery, type Temporal } from "@posthaste/delivery/client";
import { createDeliveryWorker, workflowCode } from "@posthaste/delivery/worker";
import {
  type AccountId,
  type DeliveryId,
  EGRESS_PORTS_DEFAULT,
  type EventId,
  parseEventData,
  parseNetworks,
  type SubscriptionId,
} from "@posthaste/domain";
import { createEgress } from "@posthaste/egress";
import type { Log } from "@posthaste/runtime";
import {
  claimDeliveries,
  createAccount,
  createAttemptLedger,
  createSubscription,
  ingestEvents,
  listDeliveries,
  markStarted,
  readInstallation,
  type Store,
} from "@posthaste/store";
import {
  settingArgs,
  TEMPORAL_SETTINGS,
  temporalBinary,
  timeSkippingBinary,
} from "@posthaste/temporal-servers";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { quietTemporal } from "./quiet-temporal.ts";
import { type Receiver, startReceiver } from "./receiver/receiver.ts";
import { createTestStore } from "./test-store.ts";

export { quietTemporal } from "./quiet-temporal.ts";

/** A receiver, a store with one account, and a Temporal server with a worker on it. */
export type DeliverySetup = {
  readonly store: Store;
  readonly receiver: Receiver;
  readonly env: TestWorkflowEnvironment;
  readonly temporal: Temporal;
  readonly accountId: AccountId;
  readonly log: Log;
  /**
   * Ingests one event for a new subscription to the receiver (or to `targetUrl`), and starts its workflow.
   */
  deliver(options?: DeliverOptions): Promise<Started>;
  /** @param options.names default: those of the store's installation */
  startWorker(options?: { buildId?: string; names?: Names; workflowsMax?: number }): Promise<RunningWorker>;
  stopWorkers(): Promise<void>;
  /** Returns the fields of every log line so far with this event name. */
  logged(event: string): Readonly<Record<string, unknown>>[];
  dispose(): Promise<void>;
};

type DeliverOptions = {
  readonly targetUrl?: string;
  readonly data?: string;
  readonly timeoutMs?: number;
  readonly secret?: string;
};

export type Started = {
  readonly deliveryId: DeliveryId;
  readonly eventId: EventId;
  readonly subscriptionId: SubscriptionId;
  /** When the workflow was started, on the environment's clock (epoch milliseconds). */
  readonly startedAt: number;
};

export type RunningWorker = { stop(): Promise<void> };

let bundle: Awaited<ReturnType<typeof workflowCode>> | undefined;

/**
 * Starts a Temporal server, a receiver and a store with one account.
 *
 * @param kind `time-skipping` for a server whose clock skips waits, `dev-server` for one in real time
 * @param settings further dynamic configuration of a `dev-server`; values are YAML
 */
export async function setupDelivery(
  kind: "time-skipping" | "dev-server",
  settings: Readonly<Record<string, string>> = {},
): Promise<DeliverySetup> {
  const env = await startEnvironment(kind, settings);
  const now = () => (kind === "time-skipping" ? env.currentTimeMs() : Date.now());
  return await setupOn(env, { now, teardown: () => env.teardown() });
}

/** Starts a Temporal server in real time on which several setups run, one for each test. */
export async function startSharedTemporal(): Promise<{
  /** Starts a receiver and a store with one account: an installation of its own, so that all names differ. */
  setupDelivery(): Promise<DeliverySetup>;
  stop(): Promise<void>;
}> {
  const env = await startEnvironment("dev-server", {});
  return {
    setupDelivery: () => setupOn(env, { now: () => Date.now(), teardown: async () => {} }),
    stop: () => env.teardown(),
  };
}

async function setupOn(
  env: TestWorkflowEnvironment,
  { now, teardown }: { now: () => number | Promise<number>; teardown: () => Promise<void> },
): Promise<DeliverySetup> {
  const { store, dispose } = await createTestStore("sqlite");
  const temporal = { client: env.client, names: namesOf(await readInstallation(store)) };
  const receiver = await startReceiver();
  const account = await createAccount(store, { name: "test", now: await now() });
  const workers: RunningWorker[] = [];
  const egress = createEgress({
    rules: { allow: parseNetworks("127.0.0.0/8,::1"), deny: [], ports: EGRESS_PORTS_DEFAULT },
  });
  const lines: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const log = recordingLog(lines);
  bundle ??= await workflowCode();
  const workflowBundle = bundle;

  return {
    store,
    receiver,
    env,
    temporal,
    accountId: account.id,
    log,
    deliver: async (options = {}) =>
      await deliver({ store, temporal, accountId: account.id, at: await now() }, receiver, options),
    async startWorker({ buildId, names = temporal.names, workflowsMax } = {}) {
      const worker = await createDeliveryWorker({
        connection: env.nativeConnection,
        namespace: env.namespace ?? "default",
        names,
        workflowBundle,
        ...(buildId === undefined ? {} : { buildId }),
        ...(workflowsMax === undefined ? {} : { workflowsMax }),
        deps: {
          store,
          log,
          now,
          ledger: createAttemptLedger(store),
          concurrencyDefault: 32,
          shares: { first: createShares(200), retries: createShares(100) },
          egress: egress.post,
        },
      });
      const running = worker.run();
      const started: RunningWorker = {
        async stop() {
          worker.shutdown();
          await running;
        },
      };
      workers.push(started);
      return started;
    },
    async stopWorkers() {
      await Promise.all(workers.map((worker) => worker.stop()));
    },
    logged: (event) => lines.filter((line) => line.event === event).map((line) => line.fields),
    async dispose() {
      await receiver.stop();
      await Promise.all(workers.map((worker) => worker.stop()));
      egress.close();
      await teardown();
      await dispose();
    },
  };
}

/** Subscribes a URL, ingests one event and starts its delivery, as the dispatcher does. */
async function deliver(
  { store, temporal, accountId, at }: { store: Store; temporal: Temporal; accountId: AccountId; at: number },
  receiver: Receiver,
  { targetUrl = receiver.url, data = '{"a":1}', timeoutMs, secret }: DeliverOptions,
): Promise<Started> {
  const subscription = await createSubscription(store, {
    accountId,
    targetUrl,
    eventTypes: ["invoice_sent"],
    credential: secret ?? null,
    acceptance: "OK_ONLY",
    timeoutMs: timeoutMs ?? null,
    now: at,
  });
  const [event] = await ingestEvents(store, {
    accountId,
    now: at,
    deliveriesMax: 10,
    events: [
      {
        eventType: "invoice_sent",
        data: Buffer.from(parseEventData(data, "data").json),
        idempotencyKey: null,
      },
    ],
  });
  if (event === undefined) throw new Error("ingest returned no event");
  const claimed = await claimDeliveries(store, {
    owner: "test",
    limit: 10,
    inFlightMax: 10,
    leaseMs: 1000,
    now: () => at,
  });
  for (const delivery of claimed) await startDelivery(temporal, delivery);
  const ids = claimed.map((claim) => claim.deliveryId);
  await markStarted(store, { owner: "test", ids, now: at });
  const [delivery] = await listDeliveries(store, { accountId, eventId: event.eventId, limit: 1 });
  if (delivery === undefined) throw new Error("ingest created no delivery");
  return {
    deliveryId: delivery.id,
    eventId: event.eventId,
    subscriptionId: subscription.id,
    startedAt: at,
  };
}

async function startEnvironment(
  kind: "time-skipping" | "dev-server",
  settings: Readonly<Record<string, string>>,
): Promise<TestWorkflowEnvironment> {
  quietTemporal();
  if (kind === "time-skipping") {
    const path = await timeSkippingBinary();
    return await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: "existing-path", path } },
    });
  }
  const path = await temporalBinary();
  const extraArgs = settingArgs({ ...TEMPORAL_SETTINGS, ...settings });
  return await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: "existing-path", path }, extraArgs },
  });
}

function recordingLog(lines: { event: string; fields: Readonly<Record<string, unknown>> }[]): Log {
  const add = (event: string, fields: Readonly<Record<string, unknown>> = {}) =>
    void lines.push({ event, fields });
  const log: Log = { info: add, warn: add, error: (event, error) => add(event, { error }), with: () => log };
  return log;
}
