import type { Log } from "@posthaste/runtime";
import { createOutageLog, type OutageLog, type WhatIsAway } from "./outage-log.ts";

/**
 * What a round found. `more`: it worked, and work remains, so the next round begins at once. `done`: it
 * worked, and no work remains. `idle`: it found no work, so it proves nothing about what the work needs.
 * `searching`: the same, and the next round goes on at once where the search was cut short.
 */
export type Round = "more" | "done" | "idle" | "searching";

export type LoopPlan = {
  /** The pause between rounds unless `wake` ends it, in milliseconds. */
  readonly intervalMs: number;
  /** Runs one round. If it needs no more than to find its work, it never ends as `idle`. */
  readonly round: () => Promise<Round>;
};

export type Loops<Name extends string> = {
  /**
   * Runs a round of these loops now, except those whose last round failed. Any number of calls during a round
   * cause one more round.
   */
  wake(...names: readonly Name[]): void;
  /** Stops all loops, each after its current round. */
  stop(): Promise<void>;
};

/** The pause after a first failure: many are over by then, such as a deadlock or a closed connection. */
const FAILURE_PAUSE_MS = 250;
/**
 * The longest pause of a loop whose interval is shorter. Work waits for such a loop, so it must notice the
 * end of an outage within seconds. One call every five seconds costs a dependency that returns nothing.
 */
const FAILURE_PAUSE_MAX_MS = 5_000;

/**
 * Starts loops that run until `stop`.
 *
 * A round takes no input: it finds its work in the database, so a restart after a crash needs no special
 * handling. After a failed round, the next begins after a growing pause; see {@link pauseAfterFailureMs}. The
 * first failure of an outage is logged as `<name>.failed`, and the next success as `<name>.recovered`. When a
 * round without work ends an outage, too, says {@link OutageLog.idle}. While what was away still is, the
 * pauses go on growing.
 *
 * @param options.onFailure called for each failed round, with the loop's name
 * @param options.whatIsAway asked after each failed round. Default: every dependency answers
 */
export function startLoops<Name extends string>(
  plans: Readonly<Record<Name, LoopPlan>>,
  {
    log,
    onFailure = () => {},
    whatIsAway = async () => [],
  }: { log: Log; onFailure?: (name: Name) => void; whatIsAway?: WhatIsAway },
): Loops<Name> {
  const names = Object.keys(plans) as Name[];
  const loops = Object.fromEntries(
    names.map((name) => [
      name,
      startLoop(plans[name], createOutageLog(name, log, whatIsAway), () => onFailure(name)),
    ]),
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

/**
 * Returns the pause after this many failed rounds in a row, in milliseconds. The work of the failed round
 * still waits, so the pause begins short, even if the interval is long. It doubles up to the interval, or up
 * to five seconds if the interval is shorter. A loop that keeps failing therefore spares its dependencies,
 * and in the long run calls them no more often than a loop that works.
 */
export function pauseAfterFailureMs(intervalMs: number, failures: number): number {
  const firstMs = Math.min(intervalMs, FAILURE_PAUSE_MS);
  return Math.min(firstMs * 2 ** (failures - 1), Math.max(intervalMs, FAILURE_PAUSE_MAX_MS));
}

type Loop = { wake(): void; stop(): Promise<void> };

function startLoop({ intervalMs, round }: LoopPlan, outages: OutageLog, onFailure: () => void): Loop {
  let stopped = false;
  let wanted = false;
  let hasFailed = false;
  /** Rounds in a row that failed, or found no work while what was away still is. */
  let failures = 0;
  /** Set while the pause goes on. A round that a nudge begins meanwhile does not end the pause. */
  let timer: NodeJS.Timeout | undefined;
  let resume = () => {};

  const beginPause = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined;
      resume();
    }, ms);
  };

  const run = async () => {
    while (!stopped) {
      wanted = false;
      hasFailed = false;
      let more = false;
      try {
        const found = await round();
        more = found === "more" || found === "searching";
        if (found === "more" || found === "done") {
          failures = 0;
          outages.succeeded();
          // During the pause, the unavailable dependency would be asked once per nudge.
        } else if (timer === undefined) failures = (await outages.idle()) ? failures + 1 : 0;
      } catch (error) {
        failures += 1;
        hasFailed = true;
        onFailure();
        await outages.failed(error);
      }
      if (stopped) return;
      if (failures === 0 && (more || wanted)) continue;
      if (failures === 0) beginPause(intervalMs);
      else if (hasFailed || timer === undefined) beginPause(pauseAfterFailureMs(intervalMs, failures));
      // A nudge must not end the pause of a loop that fails at its work: the unavailable dependency would see
      // a call per nudge. A round without work calls only the database.
      if (hasFailed || !wanted) {
        await new Promise<void>((resolve) => {
          resume = resolve;
        });
      }
    }
  };
  const running = run();

  return {
    wake() {
      wanted = true;
      if (!hasFailed) resume();
    },
    async stop() {
      stopped = true;
      resume();
      await running;
      clearTimeout(timer);
    },
  };
}
