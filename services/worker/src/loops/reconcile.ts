import type { DeliveryId } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  cancelDelivery,
  changeDeferral,
  deferReconcile,
  listOverdue,
  type OverdueDelivery,
  type Store,
} from "@posthaste/store";

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
  start(delivery: OverdueDelivery): Promise<void>;
  retryNow(id: DeliveryId): Promise<unknown>;
  unpause(id: DeliveryId): Promise<void>;
};

export type ReconcileOptions = {
  readonly store: Store;
  readonly log: Log;
  readonly now: () => number;
  readonly temporal: TemporalSide;
  /** Called for each delivery examined, with the action taken. */
  readonly onReconciled?: (action: ReconcileAction) => void;
};

/** The maximum number of deliveries examined in one round. If more are overdue, the next begins at once. */
const BATCH = 100;
/** How long until an examined delivery is examined again, if it is still overdue. */
const LOOK_AGAIN_MS = 2 * MINUTE_MS;
/** The same for a delivery whose call to Temporal failed. Deliveries that have waited longer come first. */
const FAILED_LOOK_AGAIN_MS = 10_000;
/** Failures that end a round: Temporal may be unavailable, and each unanswered call takes 5 s. */
const FAILURES_MAX = 3;
/** The row and Temporal compute the same wait a moment apart; a difference up to this counts as none. */
const WAIT_TOLERANCE_MS = 30_000;

export type ReconcileAction = "started_again" | "cancelled" | "unpaused" | "retried" | "left_alone";

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
 */
export function createReconcileRound(options: ReconcileOptions): () => Promise<"more" | "done"> {
  const { store, log, now } = options;
  return async () => {
    const beganAt = now();
    const overdue = await listOverdue(store, { now: beganAt, limit: BATCH });
    if (overdue.length === 0) return "done";
    // Deferred first: a delivery that crashes this process must not block the others.
    const ids = overdue.map((row) => row.deliveryId);
    const deferredUntil = beganAt + LOOK_AGAIN_MS;
    await deferReconcile(store, { ids, until: deferredUntil, now: beganAt });
    const failures: { id: DeliveryId; error: unknown }[] = [];
    let examined = 0;
    for (const row of overdue) {
      if (failures.length === FAILURES_MAX) break;
      examined += 1;
      try {
        const action = await reconcile(options, row);
        log.info("delivery.reconciled", { deliveryId: row.deliveryId, attempts: row.attempts, action });
        options.onReconciled?.(action);
      } catch (error) {
        failures.push({ id: row.deliveryId, error });
      }
    }
    const [first] = failures;
    if (first === undefined) return overdue.length === BATCH ? "more" : "done";
    const failedUntil = now() + FAILED_LOOK_AGAIN_MS;
    const changes = [
      // Rows that were not examined get their old time back, so they come before the failed ones.
      ...overdue.slice(examined).map((row) => ({ id: row.deliveryId, until: row.overdueSince })),
      ...failures.map(({ id }) => ({ id, until: failedUntil })),
    ];
    await changeDeferral(store, { from: deferredUntil, changes, now: now() });
    throw first.error;
  };
}

async function reconcile(
  { store, now, temporal }: ReconcileOptions,
  row: OverdueDelivery,
): Promise<ReconcileAction> {
  const id = row.deliveryId;
  const workflow = await temporal.inspect(id);
  switch (workflow.kind) {
    case "gone":
      await temporal.start(row);
      return "started_again";
    case "ended_by_hand":
      await cancelDelivery(store, { id, reason: "an operator ended its workflow", now: now() });
      return "cancelled";
    case "paused":
      if (workflow.by === "operator") return "left_alone";
      await temporal.unpause(id);
      return "unpaused";
    case "running": {
      const dueAt = row.nextAttemptAt ?? 0;
      if (workflow.nextAttemptAt === undefined || workflow.nextAttemptAt - dueAt < WAIT_TOLERANCE_MS) {
        return "left_alone";
      }
      await temporal.retryNow(id);
      return "retried";
    }
  }
}
