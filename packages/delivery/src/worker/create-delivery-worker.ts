import { type NativeConnection, Worker, type WorkflowBundleOption } from "@temporalio/worker";
import { type AttemptDeps, createActivities } from "../activities/index.ts";
import { TASK_QUEUE } from "../names.ts";

export type DeliveryWorkerOptions = {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly workflowBundle: WorkflowBundleOption;
  readonly deps: AttemptDeps;
  /** Attempts under way at once in this process; each may hold a socket and 15 s. Default: 200. */
  readonly attemptsMax?: number;
  /**
   * This code's version as a Temporal worker deployment, which operators make current when it may take over. Default: none,
   * and any worker takes any workflow.
   */
  readonly buildId?: string;
  /** Default: {@link TASK_QUEUE}. */
  readonly taskQueue?: string;
};

/** What operators call the workers of all versions together. */
const DEPLOYMENT = "posthaste";
/** Longer than the longest attempt (30 s) and the writing of its result, so that a stop cuts none off. */
const SHUTDOWN_GRACE_MS = 40_000;
/** Temporal's own limit on a shutdown, for a worker that hangs: a little later than the grace. */
const SHUTDOWN_FORCE_MS = 50_000;

/** A Temporal worker for deliveries. Run it with `worker.run()`; stop it with `worker.shutdown()`. */
export async function createDeliveryWorker(options: DeliveryWorkerOptions): Promise<Worker> {
  return await Worker.create({
    connection: options.connection,
    namespace: options.namespace,
    taskQueue: options.taskQueue ?? TASK_QUEUE,
    workflowBundle: options.workflowBundle,
    activities: createActivities(options.deps),
    ...(options.buildId === undefined
      ? {}
      : {
          workerDeploymentOptions: {
            useWorkerVersioning: true,
            version: { deploymentName: DEPLOYMENT, buildId: options.buildId },
            // Deliveries live for days: they go on with the current version, which replays what earlier ones wrote.
            defaultVersioningBehavior: "AUTO_UPGRADE" as const,
          },
        }),
    maxConcurrentActivityTaskExecutions: options.attemptsMax ?? 200,
    // A cached workflow costs some 30 kB; one that is evicted costs a replay of a short history.
    maxCachedWorkflows: 1_000,
    // Heartbeats are throttled to 80 % of their timeout by default, too near to it on a busy machine.
    maxHeartbeatThrottleInterval: "1s",
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
    shutdownForceTime: SHUTDOWN_FORCE_MS,
  });
}
