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

export type TemporalWorkerOptions = Pick<DeliveryWorkerOptions, "workflowBundle"> & {
  readonly temporal: TemporalOptions;
  readonly log: Log;
  /** This build's version in the worker deployment; empty = unversioned. */
  readonly buildId: string;
};

export type TemporalWorker = {
  /** Connects as soon as Temporal is available, and reconnects whenever the worker ends before `stop`. */
  start(deps: DeliveryWorkerOptions["deps"], onDisconnected?: () => void): void;
  /** Returns whether the worker polls for tasks. */
  polls(): boolean;
  /**
   * Returns a client on the connection that polls, as eager starts require, or undefined while disconnected.
   *
   * It is also undefined for a worker with a version: the server would give the first task of an eager start
   * to this worker even if another version is current.
   */
  client(): ReturnType<typeof clientOn> | undefined;
  /** Stops polling and resolves when the tasks in flight have ended. */
  stop(): Promise<void>;
};

/** The pause before a reconnect. */
const RECONNECT_PAUSE_MS = 1_000;

export function createTemporalWorker(options: TemporalWorkerOptions): TemporalWorker {
  const { temporal, log, workflowBundle, buildId } = options;
  const version = buildId === "" ? {} : { buildId };
  const stopping = new AbortController();
  let worker: DeliveryWorker | undefined;
  let client: ReturnType<typeof clientOn> | undefined;
  let running: Promise<void> | undefined;

  const connectAndRun = async (deps: DeliveryWorkerOptions["deps"]) => {
    const connection = await NativeConnection.connect(temporal.connectionOptions ?? {});
    const namespace = temporal.namespace ?? "default";
    try {
      worker = await createDeliveryWorker({
        connection,
        namespace,
        workflowBundle,
        deps,
        ...version,
      });
      if (buildId === "") client = clientOn(connection, namespace);
      if (stopping.signal.aborted) return;
      log.info("temporal.connected");
      await worker.run();
    } finally {
      worker = undefined;
      client = undefined;
      await connection.close();
    }
  };

  const run = async (deps: DeliveryWorkerOptions["deps"], onDisconnected: () => void) => {
    while (!stopping.signal.aborted) {
      try {
        await connectAndRun(deps);
      } catch (error) {
        log.error("temporal.disconnected", error);
        onDisconnected();
      }
      if (stopping.signal.aborted) return;
      await sleep(RECONNECT_PAUSE_MS, undefined, { signal: stopping.signal }).catch(() => {
        // `stop` aborted the pause; the loop's condition ends the loop.
      });
    }
  };

  return {
    start(deps, onDisconnected = () => {}) {
      running = run(deps, onDisconnected);
    },
    polls: () => worker?.isRunning() ?? false,
    client: () => client,
    async stop() {
      stopping.abort();
      worker?.shutdown();
      await running;
    },
  };
}
