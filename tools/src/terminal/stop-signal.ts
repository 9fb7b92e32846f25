import { createEchoes, Stopped } from "@posthaste/runtime/terminal";
import { STOP_SIGNALS } from "../../start/stopped.mjs";

/** The exit code that a shell reports after Ctrl-C. */
const STOPPED_CODE = 130;

/**
 * Returns a signal that is aborted with `Stopped` by the first of: Ctrl-C, SIGTERM, a closed terminal, the
 * death of the parent process. Each further one calls `onAgain`, which ends the process by default.
 * An echo of the first is none.
 */
export function listenForStop(onAgain: () => void = () => process.exit(STOPPED_CODE)): AbortSignal {
  const controller = new AbortController();
  const isEcho = createEchoes();
  const stop = (event: string) => {
    if (isEcho(event)) return;
    if (controller.signal.aborted) onAgain();
    else controller.abort(new Stopped("stopped"));
  };
  for (const event of [...STOP_SIGNALS, "disconnect"]) process.on(event, () => stop(event));
  return controller.signal;
}

/** Waits for a signal of {@link listenForStop}, and rejects with its reason. */
export function untilStopped(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
