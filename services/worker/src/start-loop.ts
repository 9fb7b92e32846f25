import type { Log } from "@posthaste/runtime";

/** A loop that looks for work of its own accord. */
export type Loop = {
  /** Asks for a round now. Asking often is cheap: any number of calls during a round make one more. */
  wake(): void;
  /** Ends after the round under way. */
  stop(): Promise<void>;
};

export type LoopOptions = {
  /** What log lines call it. */
  readonly name: string;
  /** The pause between rounds where nobody wakes it. */
  readonly intervalMs: number;
  /** One round. `more`: go on at once, there is more to do. */
  readonly round: () => Promise<"more" | "done">;
  readonly log: Log;
};

/** The pause after failed rounds doubles up to this, so that a dependency that is away is not hammered. */
const FAILURE_PAUSE_MAX_MS = 5_000;

/**
 * Runs rounds until stopped. A round takes no input: what it does is found in the database, so recovery after a crash
 * is the ordinary path. A round that fails is logged, and the next one starts over after a growing pause.
 */
export function startLoop({ name, intervalMs, round, log }: LoopOptions): Loop {
  let stopped = false;
  let wanted = false;
  let failures = 0;
  let endPause: (() => void) | undefined;

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const run = async () => {
    while (!stopped) {
      wanted = false;
      let more = false;
      try {
        more = (await round()) === "more";
        if (failures > 0) log.info(`${name}.recovered`, { failures });
        failures = 0;
      } catch (error) {
        failures += 1;
        log.error(`${name}.failed`, error, { failures });
      }
      if (stopped) return;
      // A failing round is not to be woken out of its pause: nudges would hammer what is away.
      if (failures > 0) await pause(Math.min(intervalMs * 2 ** (failures - 1), FAILURE_PAUSE_MAX_MS));
      else if (!more && !wanted) await pause(intervalMs);
      endPause = undefined;
    }
  };
  const running = run();

  return {
    wake() {
      wanted = true;
      if (failures === 0) endPause?.();
    },
    async stop() {
      stopped = true;
      endPause?.();
      await running;
    },
  };
}
