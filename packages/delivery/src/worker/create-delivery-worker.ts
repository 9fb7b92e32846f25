import { Client } from "@temporalio/client";
import { type NativeConnection, Worker, type WorkflowBundleOption } from "@temporalio/worker";
import { type AttemptDeps, createActivities } from "../activities/index.ts";
import type { Names } from "../names.ts";
import { heapBytesMax, workflowsAtOnce } from "./workflows-at-once.ts";

export type DeliveryWorkerOptions = {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly names: Names;
  readonly workflowBundle: WorkflowBundleOption;
  /** Its `shares` are the places of this process's attempts. Each may hold a socket for 15 s. */
  readonly deps: AttemptDeps;
  /**
   * Workflows that are kept in memory, and so the workflow tasks at once. Default: by the places of first
   * attempts and the process's memory, see {@link workflowsAtOnce}.
   */
  readonly workflowsMax?: number;
  /**
   * How long a shutdown waits for the work in flight, in milliseconds. Nothing is interrupted before. The
   * process should end then: an attempt that has not ended is repeated by another worker. Default: 25 s.
   */
  readonly shutdownWithinMs?: number;
  /**
   * The version of this code in Temporal's worker deployment. It gets work when an operator makes it current.
   * Default: no versioning, so any worker takes any workflow.
   */
  readonly buildId?: string;
};

/** Retries that are told to come again, or only replay the log: they end at once, and need no place. */
const WITHOUT_PLACE = 50;
/**
 * Steps of recoveries, erasures and retention that are handed to this process at once. Few of them work, see
 * `step-places.ts`: the others are told to come again, and end at once.
 */
const STEPS_MAX = 20;
const SHUTDOWN_WITHIN_MS = 25_000;
/** When Temporal's SDK gives up on a worker that hangs: after its activities were interrupted. */
const SHUTDOWN_FORCE_AFTER_MS = 5_000;

/**
 * The Temporal workers of one process: workflows and first attempts on one task queue, retries on another.
 */
export type DeliveryWorker = {
  /** Polls Temporal. Resolves after a shutdown, when all work in flight is done. */
  run(): Promise<void>;
  shutdown(): void;
  isRunning(): boolean;
};

/** Returns a client on the worker's connection, which eager starts require. */
export function clientOn(connection: NativeConnection, namespace: string): Client {
  return new Client({ connection, namespace });
}

/**
 * Creates the workers, which do not poll before `run`.
 *
 * @throws the SDK's error if the namespace cannot be described. Check it before: the SDK keeps some of the
 *   memory of every worker whose creation fails
 */
export async function createDeliveryWorker(options: DeliveryWorkerOptions): Promise<DeliveryWorker> {
  const { shares } = options.deps;
  const { names, shutdownWithinMs = SHUTDOWN_WITHIN_MS } = options;
  const workflowsMax = options.workflowsMax ?? workflowsAtOnce(shares.first.size, heapBytesMax());
  const shared = {
    connection: options.connection,
    namespace: options.namespace,
    activities: createActivities(options.deps),
    ...versioned(names.deployment, options.buildId),
    // Attempts send few heartbeats, see `with-heartbeats.ts`. By default, the SDK would hold each back until
    // 80 % of the timeout has passed since the last one, which is too late on a busy machine.
    maxHeartbeatThrottleInterval: "1s",
    shutdownGraceTime: shutdownWithinMs,
    shutdownForceTime: shutdownWithinMs + SHUTDOWN_FORCE_AFTER_MS,
  } as const;
  // This one first: if the creation of a worker fails, the SDK does not end the thread of its workflows, and
  // this worker has none.
  const retries = await Worker.create({
    ...shared,
    taskQueue: names.retryQueue,
    maxConcurrentActivityTaskExecutions: shares.retries.size + WITHOUT_PLACE,
  });
  const workflows = await Worker.create({
    ...shared,
    taskQueue: names.taskQueue,
    workflowBundle: options.workflowBundle,
    // First attempts are local activities: each occupies a workflow task as well.
    maxConcurrentLocalActivityExecutions: shares.first.size,
    maxConcurrentWorkflowTaskExecutions: workflowsMax,
    maxConcurrentActivityTaskExecutions: STEPS_MAX,
    // After this time, a task that waits for a stopped worker goes to another one. The default is 10 s.
    stickyQueueScheduleToStartTimeout: "5s",
    maxCachedWorkflows: workflowsMax,
  }).catch(async (error: unknown) => {
    await endUnused(retries);
    throw error;
  });
  const workers = [workflows, retries];
  const shutdown = () => {
    for (const worker of workers) if (worker.getState() === "RUNNING") worker.shutdown();
  };
  return {
    async run() {
      // If one worker ends, the other shuts down: neither is useful alone.
      const results = await Promise.allSettled(workers.map((worker) => worker.run().finally(shutdown)));
      for (const result of results) if (result.status === "rejected") throw result.reason;
    },
    shutdown,
    isRunning: () => workers.every((worker) => worker.getState() === "RUNNING"),
  };
}

/** Releases a worker that has not run: the SDK does that only at the end of a run. */
async function endUnused(worker: Worker): Promise<void> {
  const run = worker.run();
  worker.shutdown();
  await run;
}

function versioned(deploymentName: string, buildId: string | undefined) {
  if (buildId === undefined) return {};
  return {
    workerDeploymentOptions: {
      useWorkerVersioning: true,
      version: { deploymentName, buildId },
      // Deliveries live for days, so they move to the current version, which replays their earlier history.
      defaultVersioningBehavior: "AUTO_UPGRADE",
    },
  } as const;
}
