import { readConfig, type Setting, type Settings, StartError, type Values } from "./config.ts";
import { createLog, type Log, type LogLevel } from "./log.ts";

/** A service that has started. */
export type Running = {
  /** Stops accepting work, finishes the work in progress, and releases all resources. */
  stop(): Promise<void>;
};

export type Service<C extends Settings & { POSTHASTE_LOG_LEVEL: Setting<LogLevel> }> = {
  /** The service's name in log lines and error messages. */
  readonly name: string;
  readonly settings: C;
  /** Returns how long a stop may take before the process exits without it, in milliseconds. */
  readonly stopTimeoutMs: (config: Values<C>) => number;
  readonly start: (config: Values<C>, log: Log) => Promise<Running>;
};

/**
 * Runs a service with settings from the environment until SIGTERM or SIGINT.
 *
 * A service with a parent on an IPC channel also stops when the parent exits, so a killed `npm run up` leaves
 * no process behind. A second signal, or a stop that exceeds its timeout, ends the process at once. The next
 * process to start finishes the interrupted work.
 *
 * A start that fails with a {@link StartError}, which an operator can fix, prints one message; any failed
 * start exits with code 1.
 */
export async function runService<C extends Settings & { POSTHASTE_LOG_LEVEL: Setting<LogLevel> }>(
  service: Service<C>,
): Promise<void> {
  try {
    const config = readConfig(service.settings, process.env);
    const log = createLog(config.POSTHASTE_LOG_LEVEL as LogLevel, { service: service.name });
    process.on("unhandledRejection", (error) => log.error("process.unhandled_rejection", error));
    const hasParent = process.connected;
    const running = await service.start(config, log);
    stopOnSignal(running, log, service.stopTimeoutMs(config));
    // The parent may have exited before the listener above was added.
    if (hasParent && !process.connected) process.emit("disconnect");
  } catch (error) {
    console.error(error instanceof StartError ? `posthaste ${service.name}: ${error.message}` : error);
    process.exit(1);
  }
}

function stopOnSignal(running: Running, log: Log, stopTimeoutMs: number): void {
  const stop = (signal: NodeJS.Signals | "disconnect") => {
    process.once("SIGTERM", () => process.exit(130));
    process.once("SIGINT", () => process.exit(130));
    log.info("process.stopping", { signal });
    setTimeout(() => {
      log.warn("process.stop_timed_out", { stopTimeoutMs });
      process.exit(1);
    }, stopTimeoutMs).unref();
    running.stop().then(
      () => {
        log.info("process.stopped");
        process.exit(0);
      },
      (error: unknown) => {
        log.error("process.stop_failed", error);
        process.exit(1);
      },
    );
  };
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT", "disconnect"] as const) {
    process.once(signal, () => {
      if (stopping) return;
      stopping = true;
      stop(signal);
    });
  }
}
