import type { AccountId } from "@posthaste/domain";
import { createShares } from "./shares.ts";

/**
 * The steps of recoveries, replays and erasures in this process, as places that accounts share.
 *
 * A step is one or more short transactions, and an operation of a million rows has thousands of them. They
 * use the database's connections, of which a process has ten, and on SQLite the whole database. Claims and
 * records of attempts need the same. So there are few places, and a place rests after each step. Retention
 * needs none: it is one workflow, and no account can start more.
 */
export type StepPlaces = {
  /**
   * Runs a step, if its account has a place. The place is given back after its rest.
   *
   * @param accountId undefined: a workflow of an earlier version, which does not know it; these share as one
   * @returns how long to wait before the next step or, if `result` is undefined, before this one
   */
  run<Result>(accountId: AccountId | undefined, step: () => Promise<Result>): Promise<Placed<Result>>;
};

type Placed<Result> = { readonly result: Result | undefined; readonly waitMs: number };

/** The places of an account that is alone. One more is kept for others, see `shares.ts`. */
export const PLACES_OF_ONE = 2;
/**
 * A place rests this many times as long as its step took. So it uses a quarter of one connection, whatever
 * the database, its load and the step. A million deliveries are still examined within minutes.
 */
const REST_TIMES = 3;
/**
 * The longest rest and wait. A step that met an outage says nothing about the load of the next one, and a
 * line grows by all who were told to come again.
 */
const WAIT_MAX_MS = 10_000;
/** The account of workflows that do not know theirs: no account has this number. */
const UNKNOWN = 0 as AccountId;

export function createStepPlaces(): StepPlaces {
  const shares = createShares<number>(PLACES_OF_ONE, { stepMinMs: 0, againMinMs: 0 });
  let steps = 0;
  return {
    async run(accountId = UNKNOWN, step) {
      const id = ++steps;
      if (!shares.tryToBegin(id, accountId)) {
        const now = performance.now();
        return { result: undefined, waitMs: bounded(shares.nextRoomAt(accountId, now) - now) };
      }
      const begunAt = performance.now();
      const rest = () => {
        const restMs = bounded((performance.now() - begunAt) * REST_TIMES);
        setTimeout(() => shares.end(id), restMs).unref();
        return restMs;
      };
      try {
        const result = await step();
        return { result, waitMs: rest() };
      } catch (error) {
        rest();
        throw error;
      }
    },
  };
}

function bounded(ms: number): number {
  return Math.min(WAIT_MAX_MS, Math.ceil(ms));
}
