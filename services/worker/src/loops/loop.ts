import type { Log } from "@posthaste/runtime";

export type LoopPlan = {
  /** The pause between rounds unless `wake` ends it, in milliseconds. */
  readonly intervalMs: number;
  /** Runs one round. `more` means that work remains, so the next round begins at once. */
  readonly round: () => Promise<"more" | "done">;
};

export type Loops<Name extends string> = {
  /** Runs a round of these loops now. Any number of calls during a round cause one more round. */
  wake(...names: readonly Name[]): void;
  /** Stops all loops, each after its current round. */
  stop(): Promise<void>;
};

/** The pause doubles after each failed round, up to this bound, to spare a dependency that is unavailable. */
const FAILURE_PAUSE_MAX_MS = 5_000;

/**
 * Starts loops that run until `stop`.
 *
 * A round takes no input: it finds its work in the database, so a restart after a crash needs no special
 * handling. A failed round is logged as `<name>.failed`, and the next round begins after a growing pause.
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
      // A nudge must not end the pause of a failing loop: the unavailable dependency would see a
      // call per nudge.
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
