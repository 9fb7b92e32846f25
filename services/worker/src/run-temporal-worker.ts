import { setTimeout as sleep } from "node:timers/promises";
import type { TemporalOptions } from "@posthaste/delivery/client";
import {
  clientOn,
  createDeliveryWorker,
  type DeliveryWorker,
  type DeliveryWorkerOptions,
} from "@posthaste/delivery/worker";
import type { Log } from "@posthaste/runtime";
import { NativeConnection } from "@temporalio/worker";

export type TemporalWorkerOptions = Pick<
  DeliveryWorkerOptions,
  "workflowBundle" | "deps" | "attemptsMax" | "buildId"
> & {
  readonly temporal: TemporalOptions;
  readonly log: Log;
};

/** The pause before connecting again, after Temporal was away or the worker broke. */
const RECONNECT_PAUSE_MS = 1_000;

/**
 * Keeps a Temporal worker running: connects as soon as Temporal is there, and again whenever the worker ends without
 * having been told to.
 */
export function runTemporalWorker(options: TemporalWorkerOptions): {
  polls(): boolean;
  /**
   * On the connection that is polled on, so that starts may be eager; undefined while there is none, and for a worker with a
   * version: the server gives an eager start's task to whoever asked, also where another version is the current one.
   */
  client(): ReturnType<typeof clientOn> | undefined;
  stop(): Promise<void>;
} {
  const { temporal, log } = options;
  const stopping = new AbortController();
  let worker: DeliveryWorker | undefined;
  let client: ReturnType<typeof clientOn> | undefined;

  const connectAndRun = async () => {
    const connection = await NativeConnection.connect(temporal.connectionOptions ?? {});
    const namespace = temporal.namespace ?? "default";
    try {
      worker = await createDeliveryWorker({ ...options, connection, namespace });
      if (options.buildId === undefined) client = clientOn(connection, namespace);
      if (stopping.signal.aborted) return;
      log.info("temporal.connected");
      await worker.run();
    } finally {
      worker = undefined;
      client = undefined;
      await connection.close();
    }
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      try {
        await connectAndRun();
      } catch (error) {
        log.error("temporal.disconnected", error);
      }
      if (!stopping.signal.aborted) {
        await sleep(RECONNECT_PAUSE_MS, undefined, { signal: stopping.signal }).catch(() => {
          // Stopped while waiting: the loop's condition sees it.
        });
      }
    }
  };
  const running = run();

  return {
    polls: () => worker?.isRunning() ?? false,
    client: () => client,
    async stop() {
      stopping.abort();
      worker?.shutdown();
      await running;
    },
  };
}
