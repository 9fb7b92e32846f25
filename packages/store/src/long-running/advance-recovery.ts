import type { DeliveryId, LeftOutReason, RecoveryId } from "@posthaste/domain";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import { moveAll, passOnKeys } from "../deliveries/move.ts";
import { insertUnlessTaken } from "../deliveries/new-deliveries.ts";
import { recoverDeliveries } from "./recover-deliveries.ts";
import { type Recovery, recoveryOf } from "./recoveries.ts";
import type { RecoveryRow, Step } from "./recovery-step.ts";
import { replayEvents } from "./replay-events.ts";

/**
 * Deliveries or events that a step examines, also if it may create fewer: most of them may need nothing, and
 * a step for each would take longer than the rate asks for.
 */
const EXAMINED_AT_LEAST = 50;
/** The reconciler repeats a retry whose activity was not told within this time. */
const RETRY_GRACE_MS = 30_000;

const PLANS = { recover: recoverDeliveries, replay: replayEvents };

/**
 * Creates a recovery's next deliveries, and makes the next attempts of waiting ones due, at most as many as
 * its rate allows in one second, and moves its cursor in the same transaction. A crash repeats and skips
 * nothing, and concurrent callers take turns.
 *
 * @returns undefined: not found
 */
export async function advanceRecovery(
  store: Store,
  { id, limit, now }: { id: RecoveryId; limit: number; now: number },
): Promise<Advanced | undefined> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("recoveries").selectAll().where("id", "=", id);
    const row = await lockRows(store, query).executeTakeFirst();
    if (row === undefined) return undefined;
    const idle = { madeNow: 0, retriedNow: [], examinedNow: 0, isHeldUp: false };
    if (row.state !== "running") return { ...recoveryOf(row), ...idle };
    const isDryRun = row.dry_run === 1;
    const makeMax = isDryRun ? limit : Math.min(limit, row.rate_per_second);
    const bounds = { limit: Math.min(limit, Math.max(makeMax, EXAMINED_AT_LEAST)), makeMax, now };
    const step = await PLANS[row.kind](store, tx, row, bounds);
    const { waiting = [], superseded = [] } = step;
    if (!isDryRun) {
      await passOnKeys(tx, superseded);
      await insertUnlessTaken(store, tx, step.rows, row.kind === "recover" ? "recovered" : "replayed");
      const times = { next_attempt_at: now, reconcile_after: now + RETRY_GRACE_MS };
      await moveAll(tx, "request_retry", waiting, times, now, { recovery_id: id });
    }
    const moved = movedBy(step, row, now);
    await tx.updateTable("recoveries").set(moved).where("id", "=", id).execute();
    return {
      ...recoveryOf({ ...row, ...moved }),
      madeNow: isDryRun ? 0 : step.rows.length,
      retriedNow: isDryRun ? [] : waiting.map((delivery) => delivery.id),
      examinedNow: step.read,
      isHeldUp: step.isHeldUp === true,
    };
  });
}

/** A recovery after a step. */
export type Advanced = Recovery & {
  /** Deliveries that the step created. */
  readonly madeNow: number;
  /** Deliveries whose next attempt the step made due. Their activities in Temporal are still to be told. */
  readonly retriedNow: readonly DeliveryId[];
  /** Deliveries or events that it read. */
  readonly examinedNow: number;
  /** It creates more once some of what it has created was sent. */
  readonly isHeldUp: boolean;
};

/** Returns the columns of a recovery that a step changes. */
function movedBy(step: Step, row: RecoveryRow, now: number) {
  const { cursor, examined, leftOut } = step;
  const made = step.rows.length + (step.waiting?.length ?? 0);
  const leftOutBy: Partial<Record<LeftOutReason, number>> = { ...recoveryOf(row).leftOutBy };
  for (const reason of leftOut) leftOutBy[reason] = (leftOutBy[reason] ?? 0) + 1;
  return {
    state: cursor === undefined ? ("completed" as const) : ("running" as const),
    cursor_id: cursor ?? row.cursor_id,
    examined: row.examined + examined,
    made: row.made + made,
    left_out: row.left_out + examined - made,
    left_out_by: JSON.stringify(leftOutBy),
    workflow_at: now,
    // The step may have waited for the transaction that ended the subscription.
    ended_at: cursor === undefined ? Math.max(now, step.subscriptionEndedAt ?? now) : null,
  };
}
