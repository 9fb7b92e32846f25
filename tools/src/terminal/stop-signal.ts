import { Stopped } from "@posthaste/runtime/terminal";
import { STOP_SIGNALS } from "../../start/stopped.mjs";

/**
 * Turns every way a person or a parent ends a command (Ctrl-C, SIGTERM, a closed terminal, a parent that is gone) into
 * one signal. It is aborted at the first; `onAgain` is called at each further one.
 */
export function listenForStop(onAgain: () => void): { signal: AbortSignal; unlisten(): void } {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) onAgain();
    else controller.abort(new Stopped("stopped"));
  };
  const events = [...STOP_SIGNALS, "disconnect"];
  for (const event of events) process.on(event, stop);
  return {
    signal: controller.signal,
    unlisten: () => {
      for (const event of events) process.off(event, stop);
      // The channel to the parent would keep the process alive.
      if (process.connected) process.disconnect();
    },
  };
}
