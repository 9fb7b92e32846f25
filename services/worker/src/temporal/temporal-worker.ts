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

export type TemporalWorkerOptions = Pick<DeliveryWorkerOptions, "workflowBundle" | "attemptsMax"> & {
  readonly temporal: TemporalOptions;
  readonly log: Log;
  /** This code's version as a worker deployment; empty: none. */
  readonly buildId: string;
};

export type TemporalWorker = {
  /** Connects as soon as Temporal is there, and again whenever the worker ends by itself. */
  start(deps: DeliveryWorkerOptions["deps"], onDisconnected?: () => void): void;
  /** Whether it polls for tasks. */
  polls(): boolean;
  /**
   * A client on the connection that it polls on, so that starts may be eager; undefined while there is no connection.
   * Also undefined for a worker with a version: the server gives an eager start's first task to its caller, even
   * where another version is the current one.
   */
  client(): ReturnType<typeof clientOn> | undefined;
  /** Finishes what is under way. */
  stop(): Promise<void>;
};

/** The pause before connecting again, after Temporal was away or the worker broke. */
const RECONNECT_PAUSE_MS = 1_000;

export function createTemporalWorker(options: TemporalWorkerOptions): TemporalWorker {
  const { temporal, log, workflowBundle, attemptsMax, buildId } = options;
  const version = buildId === "" ? {} : { buildId };
  const stopping = new AbortController();
  let worker: DeliveryWorker | undefined;
  let client: ReturnType<typeof clientOn> | undefined;
  let running: Promise<void> | undefined;

  const connectAndRun = async (deps: DeliveryWorkerOptions["deps"]) => {
    const connection = await NativeConnection.connect(temporal.connectionOptions ?? {});
    const namespace = temporal.namespace ?? "default";
    try {
      const bounds = attemptsMax === undefined ? {} : { attemptsMax };
      worker = await createDeliveryWorker({
        connection,
        namespace,
        workflowBundle,
        deps,
        ...bounds,
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
        // Stopped while waiting: the loop's condition sees it.
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
