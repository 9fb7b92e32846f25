import { setDefaultAutoSelectFamilyAttemptTimeout } from "node:net";
import { readConfig, type Setting, type Settings, type Values } from "./config.ts";
import { createEchoes } from "./echo.ts";
import { requireExtraAuthorities } from "./extra-authorities.ts";
import { createLog, finishLog, type Log, type LogLevel } from "./log.ts";
import { createStopDeadline, type StopDeadline } from "./stop-deadline.ts";
import { unknownSettings } from "./unknown-settings.ts";

/** A service that has started. */
export type Running = {
  /**
   * Stops accepting work, finishes the work in progress, and releases all resources. It waits for each part
   * through the deadline, so that it resolves when the deadline passes.
   */
  stop(deadline: StopDeadline): Promise<void>;
};

export type Service<C extends Settings & { POSTHASTE_LOG_LEVEL: Setting<LogLevel> }> = {
  /** The service's name in log lines and error messages. */
  readonly name: string;
  readonly settings: C;
  /** Returns how long a stop may take before the process ends without it, in milliseconds. */
  readonly stopWithinMs: (config: Values<C>) => number;
  readonly start: (config: Values<C>, log: Log) => Promise<Running>;
};

/**
 * How long Node tries an address of a partner (database, collector) before it gives it up for the next. Its
 * default of 250 ms is less than a repeated SYN takes (1 s), and the last address may not answer. More would
 * leave no time for the next one: the database's probes have 2 s.
 */
const ADDRESS_TIMEOUT_MS = 1_200;
/** A stop that ignores its deadline is ended this much later. */
const OVERRUN_MS = 1_000;

/**
 * Runs a service with settings from the environment until SIGTERM or SIGINT.
 *
 * A service with a parent on an IPC channel also stops when the parent exits, so a killed `npm run up` leaves
 * no process behind. A second signal, or the deadline of the stop, ends the process at once; the same signal
 * within a second is an echo of the first. The next process to start finishes the interrupted work. One
 * line, `process.stopped`, says what was left undone.
 *
 * A start that fails says why in its last line, `process.not_started`, and exits with code 1. For a
 * `StartError`, which an operator can fix, that line has a sentence and no stack.
 */
export async function runService<C extends Settings & { POSTHASTE_LOG_LEVEL: Setting<LogLevel> }>(
  service: Service<C>,
): Promise<void> {
  setDefaultAutoSelectFamilyAttemptTimeout(ADDRESS_TIMEOUT_MS);
  try {
    const config = readConfig(
      service.settings,
      process.env,
      unknownSettings(process.env, Object.keys(service.settings)),
    );
    requireExtraAuthorities(process.env);
    const level = config.POSTHASTE_LOG_LEVEL as LogLevel;
    const log = createLog(level, { service: service.name });
    process.on("unhandledRejection", (error) => log.error("process.unhandled_rejection", error));
    const hasParent = process.connected;
    let running: Running | undefined;
    onStopSignals((signal, isFirst) => {
      // A start has nothing to finish.
      if (running === undefined || !isFirst) endNow(signal);
      else void stopWithin(service.stopWithinMs(config), running, log, signal);
    });
    running = await service.start(config, log);
    // The parent may have exited before the listener above was added.
    if (hasParent && !process.connected) process.emit("disconnect");
  } catch (error) {
    // With a log of its own: the setting of the level may be what is wrong.
    createLog("error", { service: service.name }).error("process.not_started", error);
    process.exit(1);
  }
}

type StopSignal = "SIGTERM" | "SIGINT" | "disconnect";

function onStopSignals(onSignal: (signal: StopSignal, isFirst: boolean) => void): void {
  let isFirst = true;
  const take = (signal: StopSignal) => {
    const first = isFirst;
    isFirst = false;
    onSignal(signal, first);
  };
  const isEcho = createEchoes();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (!isEcho(signal)) take(signal);
    });
  }
  process.once("disconnect", () => {
    // A signal to the whole group of processes ends the parent, too: its end is no second signal.
    if (isFirst) take("disconnect");
  });
}

async function stopWithin(
  stopWithinMs: number,
  running: Running,
  log: Log,
  signal: StopSignal,
): Promise<void> {
  log.info("process.stopping", { signal, stopWithinMs });
  const deadline = createStopDeadline(stopWithinMs);
  setTimeout(() => {
    log.warn("process.stop_overran", { stopWithinMs, left: deadline.left() });
    endNow();
  }, stopWithinMs + OVERRUN_MS).unref();
  try {
    await running.stop(deadline);
  } catch (error) {
    log.error("process.stop_failed", error);
    process.exit(1);
  }
  const left = deadline.left();
  if (Object.keys(left).length > 0) log.warn("process.stopped", { left });
  else log.info("process.stopped");
  if (deadline.signal.aborted || isLookingUp()) endNow();
  else process.exit(0);
}

/**
 * Ends the process as a signal does that it does not handle.
 *
 * `process.exit` first waits for the jobs in Node's thread pool, and a look-up of a host name may take longer
 * than any deadline. It is only called if the signal has no effect, as in a container's first process.
 */
function endNow(signal: StopSignal = "SIGTERM"): void {
  finishLog();
  const fatal = signal === "SIGINT" ? signal : "SIGTERM";
  process.removeAllListeners(fatal);
  process.kill(process.pid, fatal);
  process.exit(1);
}

/** Returns whether a look-up of a host name is under way. */
function isLookingUp(): boolean {
  return process.getActiveResourcesInfo().includes("GetAddrInfoReqWrap");
}
