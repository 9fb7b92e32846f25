import { isDue, isTerminal } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import { type AttemptContext, reserveTurn } from "@posthaste/store";
import { ApplicationFailure } from "@temporalio/common";
import type { DeliverInput, DeliverResult } from "../names.ts";
import { attemptFailed, ended, fault, handedOutEarly, notYet } from "./failures.ts";
import { type Instead, insteadOfAttempt, needsNoAttempt } from "./instead-of-attempt.ts";
import { type AttemptDeps, makeAttempt, paceOf } from "./make-attempt.ts";
import { patiently } from "./patiently.ts";

/**
 * Makes one attempt of a delivery, or finds that none is to be made.
 *
 * The row and the attempt log are the truth, Temporal is the clock. The row's attempts and Temporal's attempt number
 * meet in one of four ways:
 *
 * - `number ≤ attempts`: the log knows this attempt. It was made before a fault of ours or by a workflow that is gone.
 *   No request: the logged failure is thrown again, at once for old ones, with what is left of the wait for the last.
 * - `number = attempts + 1`, and the row's time has come: POST, classify, write, and let the policy time the
 *   next.
 * - `number = attempts + 1` before the row's time: Temporal handed the retry out early. No request. The
 *   workflow runs the activity again, and the replay waits for what is left.
 * - `number > attempts + 1`: Temporal counted something the log does not know (an operator's doing, a worker that did
 *   not know the activity). A fault: the activity is run again, and its replay brings both in step.
 *
 * Two runs of one attempt may overlap (a worker paused and taken for dead wakes up). Both POST; the first to write
 * wins; the other finds its number taken and goes by the log.
 *
 * @param number Temporal's attempt number, 1 for the first
 * @returns how the delivery ended
 * @throws ApplicationFailure: the receiver's failure (Temporal's policy goes on), a failed end, or a fault of ours
 */
export async function attemptDelivery(
  deps: AttemptDeps,
  { deliveryId, traceparent }: DeliverInput,
  number: number,
): Promise<DeliverResult> {
  const log = deps.log.with({ deliveryId, attempt: number });
  try {
    const context = await deps.ledger.load(deliveryId, await deps.now());
    if (context === undefined)
      return { state: "cancelled", attempts: 0, summary: "cancelled: no such delivery" };
    const { attempts } = context.delivery;
    if (needsNoAttempt(context) || number <= attempts) return await goByTheLog(deps, context, number);
    if (number > attempts + 1) throw fault(`Temporal counts ${number} attempts, the log ${attempts}`);
    await refuseEarly(deps, context, log);
    const instead = await insteadOfAttempt(deps, context);
    if (instead !== undefined) return resultInstead(deps, context, instead);
    const attempted = await makeAttempt(deps, context, { number, log, traceparent });
    switch (attempted.kind) {
      case "ended":
        return ended(attempted.state, number, attempted.tried);
      case "failed":
        throw attemptFailed(attempted.tried, attempted.nextAttemptAt, attempted.waitMs);
      case "came_second":
        return await goByTheLog(deps, await reload(deps, context), number);
    }
  } catch (error) {
    if (error instanceof ApplicationFailure) throw error;
    log.error("delivery.faulted", error);
    deps.observer?.faulted();
    throw fault("the worker or its database failed");
  }
}

/**
 * Sends no retry before the row's time, whatever Temporal hands out.
 *
 * It does so after a restart of its matching service: that keeps for up to a minute which tasks of its
 * backlog are done (`matching.updateAckInterval`), hands the others out again, and history lets a stale task
 * start an activity that waits in its backoff (`system.enableActivityRetryStampIncrement`, off in server
 * 1.32). See docs/design/delivering.md.
 *
 * @throws ApplicationFailure for a retry that is not due
 */
async function refuseEarly(
  { now, observer }: AttemptDeps,
  { delivery }: AttemptContext,
  log: Log,
): Promise<void> {
  const { attempts, nextAttemptAt, subscriptionId } = delivery;
  // A first attempt is due since its ingest, by the clock of another machine.
  if (attempts === 0 || nextAttemptAt === null || isDue(nextAttemptAt, await now())) return;
  log.warn("delivery.early", { subscriptionId, dueAt: nextAttemptAt });
  observer?.handedOutEarly();
  throw handedOutEarly(nextAttemptAt);
}

/** Nothing is to be requested: answer from the row and its log. */
async function goByTheLog(
  deps: AttemptDeps,
  context: AttemptContext,
  number: number,
): Promise<DeliverResult> {
  const { delivery, lastAttempt } = context;
  if (isTerminal(delivery.state)) return ended(delivery.state, delivery.attempts, lastAttempt);
  if (delivery.state === "parked") return parked(delivery.attempts);
  if (lastAttempt === undefined) throw fault("the log has no attempt to go by");
  if (number < delivery.attempts) throw attemptFailed(lastAttempt, delivery.nextAttemptAt, 1);
  const now = await deps.now();
  const dueMs = Math.max(now, delivery.nextAttemptAt ?? 0);
  const nextAttemptAt = context.isReserved ? dueMs : await reserve(deps, context, dueMs);
  throw attemptFailed(lastAttempt, nextAttemptAt, Math.max(1, nextAttemptAt - now));
}

/** When a retry that is due then is to be made, among the others of its subscription. */
async function reserve(deps: AttemptDeps, context: AttemptContext, dueMs: number): Promise<number> {
  const { id, subscriptionId } = context.delivery;
  const now = await deps.now();
  return await patiently(() =>
    reserveTurn(deps.store, { subscriptionId, pace: paceOf(deps, context), dueMs, now, deliveryId: id }),
  );
}

/** @throws ApplicationFailure where a retry has to wait for its turn */
function resultInstead(
  { log, observer }: AttemptDeps,
  { delivery, lastAttempt }: AttemptContext,
  instead: Instead,
): DeliverResult {
  const { attempts, id: deliveryId, subscriptionId } = delivery;
  switch (instead.kind) {
    case "cancelled":
      return ended("cancelled", attempts, lastAttempt);
    case "parked":
      return parked(attempts);
    case "unclaimed":
      return {
        state: "pending",
        attempts,
        summary: "waits for its turn: the subscription's rate is used up",
      };
    case "wait":
      log.info("delivery.waits", { deliveryId, subscriptionId, untilMs: instead.untilMs });
      observer?.waited();
      throw notYet(instead.untilMs);
  }
}

const parked = (attempts: number): DeliverResult => ({
  state: "parked",
  attempts,
  summary: "parked until its subscription is active again",
});

async function reload({ ledger, now }: AttemptDeps, { delivery }: AttemptContext): Promise<AttemptContext> {
  const context = await ledger.load(delivery.id, await now());
  if (context === undefined) throw fault("the delivery vanished while it was attempted");
  return context;
}
