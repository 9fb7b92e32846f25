import type { DeliveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { isoTime, type Log } from "@posthaste/runtime";
import {
  cancelAsDeferred,
  changeDeferral,
  DEFERRED_MAX_MS,
  type Deferral,
  deferReconcile,
  isAsDeferred,
  listOverdue,
  type OverdueDelivery,
  type OverduePlace,
  type Store,
} from "@posthaste/store";
import type { Round } from "./loop.ts";
import type { WhatIsAway } from "./outage-log.ts";
import { createReportSetAside, type Refused, type SetAsideWork } from "./report-set-aside.ts";
import { createPatience } from "./set-aside.ts";

/** The reconciler's calls to Temporal, which `@posthaste/delivery/client` implements. */
type TemporalSide = {
  inspect(
    id: DeliveryId,
  ): Promise<
    | { kind: "gone" }
    | { kind: "ended_by_hand" }
    | { kind: "paused"; by: "retry_now" | "operator" }
    | { kind: "running"; nextAttemptAt: number | undefined }
  >;
  start(delivery: OverdueDelivery & { readonly targetUrl: string }): Promise<void>;
  retryNow(id: DeliveryId): Promise<"retried" | "nothing_waits" | "held_by_operator">;
  unpause(id: DeliveryId): Promise<void>;
};

export type ReconcileOptions = {
  readonly store: Store;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly temporal: TemporalSide;
  /** Asked after failures, to find out whether they concern their deliveries or all. */
  readonly whatIsAway: WhatIsAway;
  /** Called for each delivery examined, with the action taken. */
  readonly onReconciled?: (action: ReconcileAction) => void;
  /** Called when deliveries are set aside, with their number. */
  readonly onSetAside?: (work: SetAsideWork, count: number) => void;
};

/** The maximum number of deliveries examined in one round. If more are overdue, the next begins at once. */
const BATCH = 100;
/**
 * Deliveries examined at once. Enough that a batch of calls that all wait for their deadline of 5 s ends
 * within about a minute, and few enough not to queue in a server that has just come back.
 */
const EXAMINED_AT_ONCE = 8;
/** How long until an examined delivery is examined again, if it is still overdue. */
const LOOK_AGAIN_MS = 2 * MINUTE_MS;
/**
 * The longest time for a delivery that is left alone. Up to this, it is as long as the delivery has been
 * overdue, so the time doubles. A workflow that is ended or lost meanwhile is found that much later.
 */
const LEFT_ALONE_MAX_MS = DEFERRED_MAX_MS;
/**
 * The time for a delivery whose examination failed. It doubles with each failure in a row. Deliveries of its
 * account that have waited longer come first, so any number of failing ones delays the others by no more than
 * their own examination.
 */
const FAILED_LOOK_AGAIN_MS = 10_000;
/** Failures in a row after which the round asks whether anything is away: each may have taken 5 s. */
const FAILURES_IN_A_ROW_MAX = 3;
/** The row and Temporal compute the same wait a moment apart; a difference up to this counts as none. */
const WAIT_TOLERANCE_MS = 30_000;

/** What the reconciler did: the label `action` of log lines and metrics. */
export const RECONCILE_ACTIONS = [
  "started_again",
  "cancelled",
  "unpaused",
  "retried",
  "left_alone",
  /** It moved while it was examined: what was found no longer applies. */
  "moved_on",
] as const;
export type ReconcileAction = (typeof RECONCILE_ACTIONS)[number];

/**
 * Creates the reconciler's round. It reads only deliveries whose next attempt is overdue (by minutes, or by
 * seconds after a "retry now"), and compares each with its workflow:
 *
 * | workflow in Temporal | meaning | action |
 * |---|---|---|
 * | terminated or cancelled | an operator ended it | cancel the delivery |
 * | missing, or closed otherwise | it vanished | start it again; the replayed log restores its place |
 * | paused by "retry now" | the API crashed between its two calls | unpause it; the attempt runs |
 * | waits longer than the row | a "retry now" crashed before its first call | retry it now |
 * | paused by an operator, or about to run | nothing is wrong | none |
 *
 * A round defers its deliveries first, so that one that crashes this process does not block the others, and
 * no other worker's round examines them too. Before it acts, it reads the delivery again: an attempt may have
 * been made since. The remaining moment between that look and the action is harmless. A workflow is never
 * started twice, and an attempt whose time has not come by its row is not sent.
 *
 * Accounts have their turns in each round, so a delivery does not wait for those of another account that are
 * overdue, however many; see {@link listOverdue}.
 *
 * A delivery whose examination fails is set aside for a growing time. If Temporal or the database is
 * unavailable, the round fails instead, and what it did not examine comes first in the next one.
 */
export function createReconcileRound(options: ReconcileOptions): () => Promise<Round> {
  const { store, log, now } = options;
  const report = createReportSetAside(log, options.onSetAside);
  const patience = createPatience({ now, firstMs: FAILED_LOOK_AGAIN_MS });
  let after: OverduePlace | undefined;
  return async () => {
    const beganAt = now();
    const { deliveries: overdue, next } = await listOverdue(store, { now: beganAt, limit: BATCH, after });
    // A round that looked at some only says nothing of the others.
    const isAll = after === undefined && next === undefined && overdue.length < BATCH;
    if (overdue.length === 0) {
      after = next;
      return isAll ? "idle" : "searching";
    }
    const ids = overdue.map((row) => row.deliveryId);
    const deferredUntil = beganAt + LOOK_AGAIN_MS;
    const { deferred, refused } = await deferReconcile(store, { ids, until: deferredUntil, now: beganAt });
    report("reconcile", refused);
    const { examined, failed, untried, away } = await examineAll(options, overdue, deferred);
    for (const { id } of examined) patience.succeeded(id);
    if (away === undefined) report("reconcile", failed);
    const changes = [
      ...examined.flatMap(({ id, action }) => {
        const overdueMs = beganAt - (deferred.get(id)?.nextAttemptAt ?? beganAt);
        const waitMs = Math.min(overdueMs, LEFT_ALONE_MAX_MS);
        return action === "left_alone" && waitMs > LOOK_AGAIN_MS ? [{ id, until: beganAt + waitMs }] : [];
      }),
      ...untried.map((row) => ({ id: row.deliveryId, until: row.overdueSince })),
      ...failed.map(({ item: id }) => ({
        id,
        until: away === undefined ? patience.failed(id).untilMs : now() + FAILED_LOOK_AGAIN_MS,
      })),
    ];
    await changeDeferral(store, { from: deferredUntil, changes, now: now() }).then(
      (unchanged) => report("reconcile", unchanged),
      (error: unknown) => {
        // They are examined again when their deferral ends. The error below, of Temporal, came first.
        log.error("reconciler.deferral_kept", error, {
          count: changes.length,
          until: isoTime(deferredUntil),
        });
      },
    );
    if (away !== undefined) throw away.error;
    after = next;
    // Other workers' rounds may have them all.
    if (examined.length + failed.length === 0) return isAll ? "idle" : "searching";
    return isAll ? "done" : "more";
  };
}

type Failed = Refused & { readonly item: DeliveryId };

/** What a round found: see {@link examineAll}. */
type Examined = {
  readonly examined: readonly { readonly id: DeliveryId; readonly action: ReconcileAction }[];
  readonly failed: readonly Failed[];
  readonly untried: readonly OverdueDelivery[];
  /** The first error, if Temporal or the database is unavailable. */
  readonly away: { readonly error: unknown } | undefined;
};

/** Examines the deliveries that the round has deferred, until all were examined or something is away. */
async function examineAll(
  options: ReconcileOptions,
  overdue: readonly OverdueDelivery[],
  deferred: ReadonlyMap<DeliveryId, Deferral>,
): Promise<Examined> {
  const examined: { id: DeliveryId; action: ReconcileAction }[] = [];
  const failed: Failed[] = [];
  const untried: OverdueDelivery[] = [];
  let failuresInARow = 0;
  let isAway = false;
  const queue = overdue.values();
  const examiner = async () => {
    for (const row of queue) {
      const deferral = deferred.get(row.deliveryId);
      // Another worker's round has it.
      if (deferral === undefined) continue;
      if (isAway) {
        untried.push(row);
        continue;
      }
      try {
        examined.push({ id: row.deliveryId, action: await examine(options, row, deferral) });
        failuresInARow = 0;
      } catch (error) {
        failed.push({ item: row.deliveryId, error });
        failuresInARow += 1;
        if (failuresInARow % FAILURES_IN_A_ROW_MAX === 0) isAway ||= await isAnythingAway(options, error);
      }
    }
  };
  await Promise.all(Array.from({ length: EXAMINED_AT_ONCE }, examiner));
  const [first] = failed;
  if (failuresInARow > 0) isAway ||= await isAnythingAway(options, failed.at(-1)?.error);
  return { examined, failed, untried, away: isAway && first !== undefined ? first : undefined };
}

async function isAnythingAway({ whatIsAway }: ReconcileOptions, error: unknown): Promise<boolean> {
  return (await whatIsAway(error)).length > 0;
}

async function examine(
  options: ReconcileOptions,
  row: OverdueDelivery,
  deferral: Deferral,
): Promise<ReconcileAction> {
  const action = await reconcile(options, row, deferral);
  const { deliveryId, attempts } = row;
  options.log.info("delivery.reconciled", { deliveryId, attempts, action });
  options.onReconciled?.(action);
  return action;
}

async function reconcile(
  { store, now, temporal }: ReconcileOptions,
  row: OverdueDelivery,
  deferral: Deferral,
): Promise<ReconcileAction> {
  const { id } = deferral;
  const ifAsDeferred = async (action: ReconcileAction, act: () => Promise<unknown>) => {
    if (!(await isAsDeferred(store, deferral))) return "moved_on";
    await act();
    return action;
  };
  const workflow = await temporal.inspect(id);
  switch (workflow.kind) {
    case "gone": {
      const { targetUrl } = row;
      if (targetUrl === null) throw new Error(`the subscription of delivery ${id} does not exist`);
      return await ifAsDeferred("started_again", () => temporal.start({ ...row, targetUrl }));
    }
    case "ended_by_hand": {
      const reason = "an operator ended its workflow";
      return (await cancelAsDeferred(store, deferral, { reason, now: now() })) ? "cancelled" : "moved_on";
    }
    case "paused":
      if (workflow.by === "operator") return "left_alone";
      return await ifAsDeferred("unpaused", () => temporal.unpause(id));
    case "running": {
      const dueAt = deferral.nextAttemptAt ?? 0;
      if (workflow.nextAttemptAt === undefined || workflow.nextAttemptAt - dueAt < WAIT_TOLERANCE_MS) {
        return "left_alone";
      }
      if (!(await isAsDeferred(store, deferral))) return "moved_on";
      return (await temporal.retryNow(id)) === "retried" ? "retried" : "left_alone";
    }
  }
}
