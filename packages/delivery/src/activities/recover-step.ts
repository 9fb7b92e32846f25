import type { DeliveryId } from "@posthaste/domain";
import { advanceRecovery, type Recovery } from "@posthaste/store";
import { ApplicationFailure } from "@temporalio/common";
import type { RecoverInput, RecoverStep } from "../names.ts";
import { fault } from "./failures.ts";
import type { AttemptDeps } from "./make-attempt.ts";

/** Deliveries created, and deliveries or events examined, in one transaction, at most. */
const STEP_MAX = 500;
/**
 * Deliveries or events that a recovery examines in a second, at most, whatever it creates: a dry run creates
 * nothing. A million take some two minutes, and others hardly notice 20 steps a second.
 */
const EXAMINED_PER_SECOND_MAX = 10_000;
/** Activities that a step tells at once that their next attempt is due. */
const TOLD_AT_ONCE = 8;
/**
 * How long a step tells activities: each takes three calls, and Temporal may be slow or away. The reconciler
 * tells the others within a minute.
 */
const TELLING_MS = 10_000;
/** How long a replay waits while enough of its deliveries are to be sent: they are about a second's. */
const HELD_UP_MS = 1_000;

/**
 * Runs the next step of a recovery or replay.
 *
 * @throws ApplicationFailure, which Temporal retries without limit
 */
export async function recoverStep(
  deps: Pick<AttemptDeps, "store" | "log" | "now" | "observer" | "retryNow">,
  { recoveryId }: RecoverInput,
): Promise<RecoverStep> {
  const { store, log, now, observer } = deps;
  try {
    const recovery = await advanceRecovery(store, { id: recoveryId, limit: STEP_MAX, now: await now() });
    if (recovery === undefined) return { state: "cancelled", waitMs: 0, summary: "recovery not found" };
    if (recovery.madeNow > 0) observer?.recovered();
    await tellAll(deps, recoveryId, recovery.retriedNow);
    const summary = summaryOf(recovery);
    log.info("recovery.advanced", { recoveryId, state: recovery.state, summary });
    const makingMs = ((recovery.madeNow + recovery.retriedNow.length) * 1_000) / recovery.ratePerSecond;
    const examiningMs = (recovery.examinedNow * 1_000) / EXAMINED_PER_SECOND_MAX;
    const waitMs = Math.ceil(Math.max(makingMs, examiningMs, recovery.isHeldUp ? HELD_UP_MS : 0));
    return { state: recovery.state, waitMs, summary };
  } catch (error) {
    if (error instanceof ApplicationFailure) throw error;
    log.error("recovery.faulted", error, { recoveryId });
    throw fault("the worker or its database failed");
  }
}

/**
 * Tells the activities of waiting deliveries in Temporal that their next attempt is due. Their rows say so
 * already: what is not told now, or is told and fails, is left to the reconciler.
 */
async function tellAll(
  { retryNow, log }: Pick<AttemptDeps, "retryNow" | "log">,
  recoveryId: RecoverInput["recoveryId"],
  ids: readonly DeliveryId[],
): Promise<void> {
  if (retryNow === undefined) return;
  const endsAt = performance.now() + TELLING_MS;
  let failed: { readonly error: unknown } | undefined;
  const queue = ids.values();
  const tell = async () => {
    for (const id of queue) {
      // One that fails may have waited for its deadline; the others would, too.
      if (failed !== undefined || performance.now() > endsAt) return;
      await retryNow(id).catch((error: unknown) => {
        failed = { error };
      });
    }
  };
  await Promise.all(Array.from({ length: TOLD_AT_ONCE }, tell));
  if (failed !== undefined) log.error("recovery.retry_delayed", failed.error, { recoveryId });
}

function summaryOf({ kind, state, made, examined, leftOut, isDryRun }: Recovery): string {
  const [items, verb] = kind === "recover" ? ["deliveries", "recover"] : ["events", "replay"];
  const done = isDryRun ? `would ${verb}` : `${verb}ed`;
  return `${state}: examined ${examined} ${items}, ${done} ${made}, skipped ${leftOut}`;
}
