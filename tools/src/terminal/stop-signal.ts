import { Stopped } from "@posthaste/runtime/terminal";
import { STOP_SIGNALS } from "../../start/stopped.mjs";

/** What a shell makes of the end by a Ctrl-C. */
const STOPPED_CODE = 130;

/**
 * Turns every way a person or a parent ends a command (Ctrl-C, SIGTERM, a closed terminal, a parent that is
 * gone) into one signal. It is aborted at the first; at each further one `onAgain` is called: by default, the
 * process ends.
 */
export function listenForStop(onAgain: () => void = () => process.exit(STOPPED_CODE)): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) onAgain();
    else controller.abort(new Stopped("stopped"));
  };
  for (const event of [...STOP_SIGNALS, "disconnect"]) process.on(event, stop);
  return controller.signal;
}
