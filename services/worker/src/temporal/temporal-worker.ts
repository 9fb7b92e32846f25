import { setTimeout as sleep } from "node:timers/promises";
import {
  GRPC,
  grpcCodeOf,
  requireNamespace,
  type TemporalOptions,
  temporalAddress,
} from "@posthaste/delivery/client";
import {
  clientOn,
  createDeliveryWorker,
  type DeliveryWorker,
  type DeliveryWorkerOptions,
} from "@posthaste/delivery/worker";
import { type Log, StartError, type StopDeadline } from "@posthaste/runtime";
import { NativeConnection } from "@temporalio/worker";

type Given = Pick<DeliveryWorkerOptions, "names" | "workflowBundle" | "shutdownWithinMs">;

export type TemporalWorkerOptions = Given & {
  readonly temporal: TemporalOptions;
  /** A client with the same options. */
  readonly client: Parameters<typeof requireNamespace>[0];
  readonly log: Log;
  /** This build's version in the worker deployment; empty = unversioned. */
  readonly buildId: string;
};

export type TemporalWorker = {
  /**
   * Connects as soon as Temporal is available, and reconnects whenever the worker ends before `stop`. A
   * worker that runs does not end because Temporal is away: the SDK reconnects by itself.
   *
   * @param onDisconnected called when a try to connect has failed or the worker has ended by an error
   */
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
  /**
   * Stops polling, and resolves when the tasks in flight have ended or the deadline passes. Temporal gives a
   * task that was cut off to another worker when its timeout has passed. A connection that is being made is
   * abandoned.
   */
  stop(deadline: StopDeadline): Promise<void>;
};

/** The pause before a reconnect. */
const RECONNECT_PAUSE_MS = 1_000;

export function createTemporalWorker(options: TemporalWorkerOptions): TemporalWorker {
  const { temporal, log, names, workflowBundle, shutdownWithinMs, buildId } = options;
  const version = buildId === "" ? {} : { buildId };
  const stopping = new AbortController();
  let worker: DeliveryWorker | undefined;
  let client: ReturnType<typeof clientOn> | undefined;
  let running: Promise<void> | undefined;
  /** Why the last try failed: the tries of one outage are logged once. */
  let lastReason: unknown;

  const connectAndRun = async (deps: DeliveryWorkerOptions["deps"]) => {
    // Each failed creation of a worker costs memory that the SDK does not give back, and a connection to a
    // server that does not answer cannot be abandoned for 30 s. So this asks first, in every round.
    await options.client.withAbortSignal(stopping.signal, () => requireNamespace(options.client));
    const connection = await NativeConnection.connect(temporal.connectionOptions ?? {});
    const namespace = temporal.namespace ?? "default";
    try {
      const connected = clientOn(connection, namespace);
      await requireNamespace(connected);
      worker = await createDeliveryWorker({
        connection,
        namespace,
        names,
        workflowBundle,
        deps,
        ...(shutdownWithinMs === undefined ? {} : { shutdownWithinMs }),
        ...version,
      });
      if (buildId === "") client = clientOn(connection, namespace);
      log.info("temporal.connected");
      lastReason = undefined;
      const run = worker.run();
      // A worker that was created during the stop is released by the end of its run.
      if (stopping.signal.aborted) worker.shutdown();
      await run;
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
        // `stop` cancelled the question whether the namespace exists.
        if (stopping.signal.aborted && grpcCodeOf(error) === GRPC.CANCELLED) return;
        const reason = reasonOf(error);
        if (reason !== lastReason)
          log.error("temporal.disconnected", error, temporalAddress(temporal, error));
        lastReason = reason;
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
    async stop(deadline) {
      stopping.abort();
      worker?.shutdown();
      if (running !== undefined) await deadline.waitFor("temporal_worker", running);
    },
  };
}

/** What stays the same from try to try. The SDK's messages do not: they hold times. */
function reasonOf(error: unknown): unknown {
  return error instanceof StartError ? error.message : (grpcCodeOf(error) ?? String(error));
}
