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
/** How long a replay waits while enough of its deliveries are to be sent: they are about a second's. */
const HELD_UP_MS = 1_000;

/**
 * Runs the next step of a recovery or replay.
 *
 * @throws ApplicationFailure, which Temporal retries without limit
 */
export async function recoverStep(
  { store, log, now, observer }: Pick<AttemptDeps, "store" | "log" | "now" | "observer">,
  { recoveryId }: RecoverInput,
): Promise<RecoverStep> {
  try {
    const recovery = await advanceRecovery(store, { id: recoveryId, limit: STEP_MAX, now: await now() });
    if (recovery === undefined) return { state: "cancelled", waitMs: 0, summary: "recovery not found" };
    if (recovery.madeNow > 0) observer?.recovered();
    const summary = summaryOf(recovery);
    log.info("recovery.advanced", { recoveryId, state: recovery.state, summary });
    const makingMs = (recovery.madeNow * 1_000) / recovery.ratePerSecond;
    const examiningMs = (recovery.examinedNow * 1_000) / EXAMINED_PER_SECOND_MAX;
    const waitMs = Math.ceil(Math.max(makingMs, examiningMs, recovery.isHeldUp ? HELD_UP_MS : 0));
    return { state: recovery.state, waitMs, summary };
  } catch (error) {
    if (error instanceof ApplicationFailure) throw error;
    log.error("recovery.faulted", error, { recoveryId });
    throw fault("the worker or its database failed");
  }
}

function summaryOf({ kind, state, made, examined, leftOut, isDryRun }: Recovery): string {
  const [items, verb] = kind === "recover" ? ["failed deliveries", "recover"] : ["events", "replay"];
  const done = isDryRun ? `would ${verb}` : `${verb}ed`;
  return `${state}: examined ${examined} ${items}, ${done} ${made}, skipped ${leftOut}`;
}
