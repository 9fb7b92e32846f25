import type { Log } from "@posthaste/runtime";

/** What a loop does, and how often. */
export type LoopPlan = {
  /** The pause between rounds when nobody wakes the loop. */
  readonly intervalMs: number;
  /** One round. `more`: there is more to do, so the next round begins at once. */
  readonly round: () => Promise<"more" | "done">;
};

export type Loops<Name extends string> = {
  /** Asks these loops for a round now. Asking often is cheap: any number of calls during a round cause one more. */
  wake(...names: readonly Name[]): void;
  /** Ends all loops, each after the round under way. */
  stop(): Promise<void>;
};

/** The pause after failed rounds doubles up to this, so that a dependency that is away is not hammered. */
const FAILURE_PAUSE_MAX_MS = 5_000;

/**
 * Runs loops until they are stopped.
 *
 * A round takes no input: it finds its work in the database, so recovery after a crash is the ordinary path. A round
 * that fails is logged as `<name>.failed`, and the next one begins after a growing pause.
 *
 * @param options.onFailure called for each failed round, with the loop's name
 */
export function startLoops<Name extends string>(
  plans: Readonly<Record<Name, LoopPlan>>,
  { log, onFailure = () => {} }: { log: Log; onFailure?: (name: Name) => void },
): Loops<Name> {
  const names = Object.keys(plans) as Name[];
  const loops = Object.fromEntries(
    names.map((name) => [name, startLoop(name, plans[name], log, () => onFailure(name))]),
  ) as Record<Name, Loop>;
  return {
    wake(...woken) {
      for (const name of woken) loops[name].wake();
    },
    async stop() {
      await Promise.all(names.map((name) => loops[name].stop()));
    },
  };
}

type Loop = { wake(): void; stop(): Promise<void> };

function startLoop(name: string, { intervalMs, round }: LoopPlan, log: Log, onFailure: () => void): Loop {
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
        onFailure();
      }
      if (stopped) return;
      // Nudges must not wake a failing loop out of its pause, or they would hammer what is away.
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
