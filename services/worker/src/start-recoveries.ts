import type { Log } from "@posthaste/runtime";
import { listUnstartedRecoveries, markRecoveryStarted, type Recovery, type Store } from "@posthaste/store";

export type StartRecoveriesOptions = {
  readonly store: Store;
  readonly log: Log;
  readonly now: () => number;
  /** Starts a recovery's workflow; where it runs, nothing happens. */
  readonly start: (recovery: Recovery) => Promise<void>;
};

/** Recoveries started in one round. */
const BATCH = 10;

/**
 * Makes the round that gives each recovery its workflow: those that were just asked for, and those that have been silent
 * for a minute, whose workflow an operator may have terminated.
 */
export function createRecoveryRound(options: StartRecoveriesOptions): () => Promise<"more" | "done"> {
  const { store, log, now, start } = options;
  return async () => {
    const unstarted = await listUnstartedRecoveries(store, { now: now(), limit: BATCH });
    for (const recovery of unstarted) {
      await start(recovery);
      await markRecoveryStarted(store, { id: recovery.id, now: now() });
      log.info("recovery.started", { recoveryId: recovery.id, kind: recovery.kind });
    }
    return unstarted.length === BATCH ? "more" : "done";
  };
}
