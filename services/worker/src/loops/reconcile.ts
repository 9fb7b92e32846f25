import type { DeliveryId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  cancelDelivery,
  changeDeferral,
  deferReconcile,
  listOverdue,
  type OverdueDelivery,
  type Store,
} from "@posthaste/store";

/** What the reconciler asks and does of Temporal; `@posthaste/delivery/client` provides it. */
export type TemporalSide = {
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
  /** Called for each delivery that was looked at, with what was done. */
  readonly onReconciled?: (action: ReconcileAction) => void;
};

/** Deliveries looked at in one round; more are looked at in the next, at once. */
const BATCH = 100;
/** A delivery that was looked at and left alone is looked at again after this. */
const LOOK_AGAIN_MS = 2 * 60_000;
/** One for which Temporal did not answer is looked at again after this. Those that waited longer come first. */
const FAILED_LOOK_AGAIN_MS = 10_000;
/** Failures that end a round: Temporal may be away, and each call that it does not answer takes 5 s. */
const FAILURES_MAX = 3;
/** Row and Temporal compute the same wait a moment apart; this much is not a difference. */
const WAIT_TOLERANCE_MS = 30_000;

export type ReconcileAction = "started_again" | "cancelled" | "unpaused" | "retried" | "left_alone";

/**
 * Makes the reconciler's round. It looks only at deliveries whose next attempt is overdue (by minutes; by seconds after
 * a "retry now"), never at everything, and holds each against Temporal:
 *
 * | Temporal says | then |
 * |---|---|
 * | terminated or cancelled by an operator | the delivery is cancelled |
 * | no workflow, or one that closed otherwise | it is started again, and its replay finds its place in the schedule |
 * | paused by a "retry now" that crashed half way | unpaused: the attempt is made |
 * | waiting longer than the row says | a "retry now" that crashed before its first call: done again |
 * | paused by an operator, or about to run | left alone |
 */
export function createReconcileRound(options: ReconcileOptions): () => Promise<"more" | "done"> {
  const { store, log, now } = options;
  return async () => {
    const beganAt = now();
    const overdue = await listOverdue(store, { now: beganAt, limit: BATCH });
    if (overdue.length === 0) return "done";
    // Put off first: a delivery that makes this process crash must not be in the way of the others.
    const ids = overdue.map((row) => row.deliveryId);
    const putOffTo = beganAt + LOOK_AGAIN_MS;
    await deferReconcile(store, { ids, until: putOffTo, now: beganAt });
    const failures: { id: DeliveryId; error: unknown }[] = [];
    let lookedAt = 0;
    for (const row of overdue) {
      if (failures.length === FAILURES_MAX) break;
      lookedAt += 1;
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
      // As overdue as before, so they come before those that failed.
      ...overdue.slice(lookedAt).map((row) => ({ id: row.deliveryId, until: row.overdueSince })),
      ...failures.map(({ id }) => ({ id, until: failedUntil })),
    ];
    await changeDeferral(store, { from: putOffTo, changes, now: now() });
    throw first.error;
  };
}

async function reconcile(
  { store, now, temporal }: ReconcileOptions,
  row: OverdueDelivery,
): Promise<ReconcileAction> {
  const id = row.deliveryId;
  const standing = await temporal.inspect(id);
  switch (standing.kind) {
    case "gone":
      await temporal.start(row);
      return "started_again";
    case "ended_by_hand":
      await cancelDelivery(store, { id, reason: "an operator ended its workflow", now: now() });
      return "cancelled";
    case "paused":
      if (standing.by === "operator") return "left_alone";
      await temporal.unpause(id);
      return "unpaused";
    case "running": {
      const dueAt = row.nextAttemptAt ?? 0;
      if (standing.nextAttemptAt === undefined || standing.nextAttemptAt - dueAt < WAIT_TOLERANCE_MS) {
        return "left_alone";
      }
      await temporal.retryNow(id);
      return "retried";
    }
  }
}
