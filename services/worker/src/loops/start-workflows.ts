import type { ErasureId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  listUnstartedErasures,
  listUnstartedRecoveries,
  markErasureStarted,
  markRecoveryStarted,
  type Recovery,
  type Store,
} from "@posthaste/store";

export type WorkflowsOptions = {
  readonly store: Store;
  readonly log: Log;
  readonly now: () => number;
  /** Start a workflow; where it runs, nothing happens. */
  readonly startRecovery: (recovery: Recovery) => Promise<void>;
  readonly startErasure: (id: ErasureId) => Promise<void>;
};

/** Of each kind, started in one round. */
const BATCH = 10;

/**
 * Makes the round that gives recoveries, replays and erasures their workflows: those that were just asked for, and those
 * that have been silent for a minute, whose workflow an operator may have terminated.
 */
export function createWorkflowsRound(options: WorkflowsOptions): () => Promise<"more" | "done"> {
  const { store, log, now, startRecovery, startErasure } = options;
  return async () => {
    const recoveries = await listUnstartedRecoveries(store, { now: now(), limit: BATCH });
    for (const recovery of recoveries) {
      await startRecovery(recovery);
      await markRecoveryStarted(store, { id: recovery.id, now: now() });
      log.info("recovery.started", { recoveryId: recovery.id, kind: recovery.kind });
    }
    const erasures = await listUnstartedErasures(store, { now: now(), limit: BATCH });
    for (const { id } of erasures) {
      await startErasure(id);
      await markErasureStarted(store, { id, now: now() });
      log.info("erasure.started", { erasureId: id });
    }
    return recoveries.length === BATCH || erasures.length === BATCH ? "more" : "done";
  };
}
