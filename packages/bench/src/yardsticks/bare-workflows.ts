import { fileURLToPath } from "node:url";
import { connectTemporal } from "@posthaste/delivery/client";
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";

const TASK_QUEUE = "bench-bare";
/** The same number as the dispatcher starts at once. */
const STARTS_AT_ONCE = 16;
let isInstalled = false;

/**
 * Runs bare workflows, each with one regular activity that does nothing, on the product's Temporal server.
 */
export type BareWorkflows = {
  /** Runs `count` workflows. Returns the workflows completed per second. */
  perSecond(count: number): Promise<number>;
  close(): Promise<void>;
};

export async function openBareWorkflows(address: string): Promise<BareWorkflows> {
  const logger = new DefaultLogger("ERROR");
  // The runtime is installed once per process, however many servers it connects to.
  if (!isInstalled) Runtime.install({ logger, shutdownSignals: [] });
  isInstalled = true;
  const connection = await NativeConnection.connect({ address });
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL("bare-workflow.ts", import.meta.url)),
    logger,
  });
  const worker = await Worker.create({
    connection,
    taskQueue: TASK_QUEUE,
    workflowBundle,
    activities: { nothing: async () => {} },
    maxConcurrentActivityTaskExecutions: 200,
    maxCachedWorkflows: 1_000,
  });
  const running = worker.run();
  const client = connectTemporal({ connectionOptions: { address } });
  let round = 0;
  return {
    async perSecond(count) {
      round += 1;
      const ids = Array.from({ length: count }, (_, i) => `bench/${process.pid}/${round}/${i}`);
      const queue = ids.values();
      const begun = performance.now();
      await Promise.all(
        Array.from({ length: STARTS_AT_ONCE }, async () => {
          for (const workflowId of queue) {
            await client.workflow.start("bare", { workflowId, taskQueue: TASK_QUEUE });
          }
        }),
      );
      await Promise.all(ids.map((id) => client.workflow.getHandle(id).result()));
      return (count / (performance.now() - begun)) * 1000;
    },
    async close() {
      worker.shutdown();
      await running;
      await client.connection.close();
      await connection.close();
    },
  };
}
