import type { ErasureId, RecoveryId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  type Erasure,
  getErasure,
  getRecovery,
  listUnstartedErasures,
  listUnstartedRecoveries,
  markErasureStarted,
  markRecoveryStarted,
  type Recovery,
  type Store,
} from "@posthaste/store";
import { createAccountTurns, type Step } from "./account-turns.ts";
import type { Round } from "./loop.ts";
import type { WhatIsAway } from "./outage-log.ts";
import { createReportSetAside, type SetAsideWork } from "./report-set-aside.ts";
import { createSetAside } from "./set-aside.ts";

export type WorkflowsOptions = {
  readonly store: Store;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Starts the workflow of a recovery or replay, unless it is running. */
  readonly startRecovery: (recovery: Recovery) => Promise<void>;
  /** Starts the workflow of an erasure, unless it is running. */
  readonly startErasure: (erasure: Erasure) => Promise<void>;
  /** Asked after a failure, to find out whether it concerns one workflow or all. */
  readonly whatIsAway: WhatIsAway;
  /** Called when a recovery or erasure is set aside. */
  readonly onSetAside?: (work: SetAsideWork, count: number) => void;
};

/** Workflows of each kind started in one round. */
const BATCH = 10;

/**
 * Creates the round that starts the workflows of recoveries, replays and erasures. It starts those just
 * requested, and those without progress for a minute, whose workflow an operator may have terminated.
 *
 * Accounts take turns, so that nobody waits for another's many; see {@link createAccountTurns}.
 *
 * One whose workflow cannot be started is set aside for a growing time, and the others are started. If
 * Temporal or the database is unavailable, the round fails.
 */
export function createWorkflowsRound(options: WorkflowsOptions): () => Promise<Round> {
  const { store, log, now, startRecovery, startErasure } = options;
  const shared = { everyMs: 0, piecesAtOnce: BATCH };
  const guarded = { now, setAside: createGuard(options) };
  let isStarted = false;
  const startRecoveries = createAccountTurns<RecoveryId>(
    {
      ...shared,
      name: "recovery" satisfies SetAsideWork,
      list: (page) => listUnstartedRecoveries(store, { ...page, now: now() }),
      async step(id, accountId) {
        const recovery = await getRecovery(store, { accountId, id });
        if (recovery === undefined) return STARTED;
        await startRecovery(recovery);
        isStarted = true;
        await markRecoveryStarted(store, { id, now: now() });
        log.info("recovery.started", { recoveryId: id, kind: recovery.kind });
        return STARTED;
      },
    },
    guarded,
  );
  const startErasures = createAccountTurns<ErasureId>(
    {
      ...shared,
      name: "erasure" satisfies SetAsideWork,
      list: (page) => listUnstartedErasures(store, { ...page, now: now() }),
      async step(id) {
        const erasure = await getErasure(store, id);
        if (erasure === undefined) return STARTED;
        await startErasure(erasure);
        isStarted = true;
        await markErasureStarted(store, { id, now: now() });
        log.info("erasure.started", { erasureId: id });
        return STARTED;
      },
    },
    guarded,
  );
  return async () => {
    isStarted = false;
    const recoveries = await startRecoveries();
    const erasures = await startErasures();
    if (recoveries.goesOn || erasures.goesOn) return isStarted ? "more" : "searching";
    return isStarted ? "done" : "idle";
  };
}

/** A start moves no delivery, and is the only step of its piece. */
const STARTED: Step = { moved: 0, pending: 0, goesOn: false };

/** Creates the guard that sets those aside that cannot be started. */
function createGuard({ log, now, whatIsAway, onSetAside }: WorkflowsOptions) {
  const report = createReportSetAside(log, onSetAside);
  return createSetAside({
    now,
    isEverybodys: async (error) => (await whatIsAway(error)).length > 0,
    onSetAside: (key, error) => {
      const [work, id] = key.split(" ") as ["recovery" | "erasure", string | undefined];
      // Without an id, they could not be listed.
      report(work, [{ item: id ?? "list", error }]);
    },
  });
}
