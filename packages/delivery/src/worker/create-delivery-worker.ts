import { Client } from "@temporalio/client";
import { type NativeConnection, Worker, type WorkflowBundleOption } from "@temporalio/worker";
import { type AttemptDeps, createActivities } from "../activities/index.ts";
import { RETRY_QUEUE, TASK_QUEUE } from "../names.ts";

export type DeliveryWorkerOptions = {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly workflowBundle: WorkflowBundleOption;
  readonly deps: AttemptDeps;
  /** First attempts under way at once in this process, and half as many retries; each may hold a socket and 15 s. Default: 200. */
  readonly attemptsMax?: number;
  /**
   * This code's version as a Temporal worker deployment, which operators make current when it may take over. Default: none,
   * and any worker takes any workflow.
   */
  readonly buildId?: string;
};

const ATTEMPTS_MAX = 200;
/** Workflow tasks for what is not a first attempt: replays, recoveries, ends. */
const BESIDE_ATTEMPTS = 50;
/** What operators call the workers of all versions together. */
const DEPLOYMENT = "posthaste";
/** Longer than the longest attempt (30 s) and the writing of its result, so that a stop cuts none off. */
const SHUTDOWN_GRACE_MS = 40_000;
/** Temporal's own limit on a shutdown, for a worker that hangs: a little later than the grace. */
const SHUTDOWN_FORCE_MS = 50_000;

/** What polls Temporal for a process: first attempts and all workflows on one task queue, retries on another. */
export type DeliveryWorker = {
  /** Resolves when it was shut down and has finished what was under way. */
  run(): Promise<void>;
  shutdown(): void;
  isRunning(): boolean;
};

/** A client on the worker's own connection, whose starts may be eager. */
export function clientOn(connection: NativeConnection, namespace: string): Client {
  return new Client({ connection, namespace });
}

/** Makes what polls Temporal; nothing is polled before it is run. */
export async function createDeliveryWorker(options: DeliveryWorkerOptions): Promise<DeliveryWorker> {
  const { attemptsMax = ATTEMPTS_MAX } = options;
  const shared = {
    connection: options.connection,
    namespace: options.namespace,
    activities: createActivities(options.deps),
    ...versioned(options.buildId),
    // Heartbeats are throttled to 80 % of their timeout by default, too near to it on a busy machine.
    maxHeartbeatThrottleInterval: "1s",
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
    shutdownForceTime: SHUTDOWN_FORCE_MS,
  } as const;
  const workers = [
    await Worker.create({
      ...shared,
      taskQueue: TASK_QUEUE,
      workflowBundle: options.workflowBundle,
      // First attempts are local activities, and each holds its workflow's task meanwhile.
      maxConcurrentLocalActivityExecutions: attemptsMax,
      maxConcurrentWorkflowTaskExecutions: attemptsMax + BESIDE_ATTEMPTS,
      maxConcurrentActivityTaskExecutions: attemptsMax,
      // A task that waits for a worker that is gone is given to another after this; twice the time is the default.
      stickyQueueScheduleToStartTimeout: "5s",
      // A cached workflow costs some 30 kB; one that is evicted costs a replay of a short history.
      maxCachedWorkflows: 1_000,
    }),
    await Worker.create({
      ...shared,
      taskQueue: RETRY_QUEUE,
      maxConcurrentActivityTaskExecutions: Math.ceil(attemptsMax / 2),
    }),
  ];
  const shutdown = () => {
    for (const worker of workers) if (worker.getState() === "RUNNING") worker.shutdown();
  };
  return {
    async run() {
      // Neither is of use without the other.
      const ended = await Promise.allSettled(workers.map((worker) => worker.run().finally(shutdown)));
      for (const one of ended) if (one.status === "rejected") throw one.reason;
    },
    shutdown,
    isRunning: () => workers.every((worker) => worker.getState() === "RUNNING"),
  };
}

function versioned(buildId: string | undefined) {
  if (buildId === undefined) return {};
  return {
    workerDeploymentOptions: {
      useWorkerVersioning: true,
      version: { deploymentName: DEPLOYMENT, buildId },
      // Deliveries live for days: they go on with the current version, which replays what earlier ones wrote.
      defaultVersioningBehavior: "AUTO_UPGRADE",
    },
  } as const;
}
