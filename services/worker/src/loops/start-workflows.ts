import type { ErasureId, RecoveryId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  type Erasure,
  listUnstartedErasures,
  listUnstartedRecoveries,
  markErasureStarted,
  markRecoveryStarted,
  type Recovery,
  type Store,
} from "@posthaste/store";
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
 * One whose workflow cannot be started is set aside for a growing time, and the others are started. If
 * Temporal or the database is unavailable, the round fails.
 */
export function createWorkflowsRound(options: WorkflowsOptions): () => Promise<"more" | "done"> {
  const { store, log, now, startRecovery, startErasure } = options;
  const startAll = createStarter(options);
  let afterRecovery: RecoveryId | undefined;
  let afterErasure: ErasureId | undefined;
  return async () => {
    const recoveries = await listUnstartedRecoveries(store, {
      now: now(),
      after: afterRecovery,
      limit: BATCH,
    });
    afterRecovery = recoveries.length === BATCH ? recoveries.at(-1)?.id : undefined;
    await startAll("recovery", recoveries, async (recovery) => {
      await startRecovery(recovery);
      await markRecoveryStarted(store, { id: recovery.id, now: now() });
      log.info("recovery.started", { recoveryId: recovery.id, kind: recovery.kind });
    });
    const erasures = await listUnstartedErasures(store, { now: now(), after: afterErasure, limit: BATCH });
    afterErasure = erasures.length === BATCH ? erasures.at(-1)?.id : undefined;
    await startAll("erasure", erasures, async (erasure) => {
      const { id } = erasure;
      await startErasure(erasure);
      await markErasureStarted(store, { id, now: now() });
      log.info("erasure.started", { erasureId: id });
    });
    return recoveries.length === BATCH || erasures.length === BATCH ? "more" : "done";
  };
}

/** Creates a function that starts each of these, and sets those aside that throw. */
function createStarter({ log, now, whatIsAway, onSetAside }: WorkflowsOptions) {
  const report = createReportSetAside(log, onSetAside);
  const setAside = createSetAside({
    now,
    isEverybodys: async () => (await whatIsAway()).length > 0,
    onSetAside: (key, error) => {
      const [work, id] = key.split(" ") as ["recovery" | "erasure", string];
      report(work, [{ item: id, error }]);
    },
  });
  return async <Item extends { readonly id: number }>(
    work: "recovery" | "erasure",
    items: readonly Item[],
    start: (item: Item) => Promise<void>,
  ) => {
    for (const item of items) await setAside(`${work} ${item.id}`, () => start(item));
  };
}
