import type { Log } from "./log.ts";

/** What a service's start leaves behind. */
export type Running = {
  /** Stops taking work, finishes what was begun, and lets go of everything. */
  stop(): Promise<void>;
};

/**
 * Starts a service and stops it on SIGTERM or SIGINT, or when a parent that holds an IPC channel to it is gone, so that
 * a killed `npm run up` leaves nothing behind. A second signal, or a stop that takes longer than
 * `stopTimeoutMs`, ends the process at once: what it leaves unfinished is finished by whoever starts next.
 */
export async function runService(
  start: () => Promise<Running>,
  options: { log: Log; stopTimeoutMs: number },
): Promise<void> {
  const { log, stopTimeoutMs } = options;
  process.on("unhandledRejection", (error) => log.error("process.unhandled_rejection", error));
  const tethered = process.connected;
  const running = await start();
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
  // The parent may be gone since before anybody listened.
  if (tethered && !process.connected) process.emit("disconnect");
}
