import { readConfig, type Setting, type Settings, StartError, type Values } from "./config.ts";
import { createLog, type Log, type LogLevel } from "./log.ts";

/** What a service's start leaves behind. */
export type Running = {
  /** Stops taking work, finishes what was begun, and lets go of everything. */
  stop(): Promise<void>;
};

export type Service<C extends Settings & { POSTHASTE_LOG_LEVEL: Setting<LogLevel> }> = {
  /** What its log lines and complaints call it. */
  readonly name: string;
  readonly settings: C;
  /** How long a stop may take before the process is ended all the same. */
  readonly stopTimeoutMs: (config: Values<C>) => number;
  readonly start: (config: Values<C>, log: Log) => Promise<Running>;
};

/**
 * Runs a service with settings from the environment until SIGTERM or SIGINT, or until a parent that holds an IPC channel
 * to it is gone, so that a killed `npm run up` leaves nothing behind. A second signal, or a stop that takes longer than
 * its time, ends the process at once: what it leaves unfinished is finished by whoever starts next.
 *
 * A start that fails for a reason an operator can mend ({@link StartError}) is one plain message and exit code 1.
 */
export async function runService<C extends Settings & { POSTHASTE_LOG_LEVEL: Setting<LogLevel> }>(
  service: Service<C>,
): Promise<void> {
  try {
    const config = readConfig(service.settings, process.env);
    const log = createLog(config.POSTHASTE_LOG_LEVEL as LogLevel, { service: service.name });
    process.on("unhandledRejection", (error) => log.error("process.unhandled_rejection", error));
    const tethered = process.connected;
    const running = await service.start(config, log);
    stopOnSignal(running, log, service.stopTimeoutMs(config));
    // The parent may be gone since before anybody listened.
    if (tethered && !process.connected) process.emit("disconnect");
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
