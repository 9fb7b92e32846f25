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
  /** Starts the workflow of a recovery or replay, unless it is running. */
  readonly startRecovery: (recovery: Recovery) => Promise<void>;
  /** Starts the workflow of an erasure, unless it is running. */
  readonly startErasure: (id: ErasureId) => Promise<void>;
};

/** Workflows of each kind started in one round. */
const BATCH = 10;

/**
 * Creates the round that starts the workflows of recoveries, replays and erasures. It starts those just
 * requested, and those without progress for a minute, whose workflow an operator may have terminated.
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
