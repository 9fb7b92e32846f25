import { type DeliveryId, isDue, isTerminal } from "@posthaste/domain";
import { idsIn, isoTime, type Log } from "@posthaste/runtime";
import { type AttemptContext, reserveTurn, UnknownKey } from "@posthaste/store";
import { ApplicationFailure } from "@temporalio/common";
import { type DeliverInput, type DeliverResult, FAULT } from "../names.ts";
import { attemptFailed, ended, fault, handedOutEarly, notYet, unknownKey } from "./failures.ts";
import { giveUpOrphan } from "./give-up.ts";
import { type Instead, insteadOfAttempt, needsNoAttempt } from "./instead-of-attempt.ts";
import { type AttemptDeps, makeAttempt, paceOf } from "./make-attempt.ts";
import { patiently } from "./patiently.ts";
import type { Shares } from "./shares.ts";

/**
 * Runs one attempt of a delivery, unless the delivery's row says that no attempt is due.
 *
 * The row and the attempt log are the source of truth; Temporal is only the clock. The number of attempts in
 * the row and Temporal's attempt number allow four cases:
 *
 * - `number ≤ attempts`: the log already contains this attempt, from before a fault or from a previous
 *   workflow. There is no request. The activity fails again with the logged outcome: at once for an older
 *   attempt, and with the rest of the wait for the last one.
 * - `number = attempts + 1`, and the attempt is due: the activity sends the POST, classifies the response and
 *   writes the attempt. Temporal's retry policy times the next one.
 * - `number = attempts + 1`, but the attempt is not due: Temporal dispatched the retry too early. There is no
 *   request. The workflow runs the activity again, which replays the log and waits for the rest of the time.
 * - `number > attempts + 1`: Temporal has counted an attempt that the log does not contain, because of an
 *   operator's action or a worker that did not know the activity. This is a fault: the workflow runs the
 *   activity again, which replays the log until both numbers agree.
 *
 * If this process lacks the key that sealed the subscription's secrets, the attempt waits: another worker may
 * have the key. Nothing is written meanwhile, and what needs no secret, such as the log's replay, goes on.
 *
 * A delivery without its event, or whose answer the database refuses to record, is given up (`give-up.ts`).
 *
 * Two runs of one attempt may overlap, for example if a suspended worker that counted as dead resumes. Both
 * send the POST. The first run to write its attempt wins; the other finds the number in use and follows the
 * log.
 *
 * @param run.number Temporal's attempt number, from 1
 * @param run.shares the places that this attempt needs one of
 * @returns how the delivery ended
 * @throws ApplicationFailure for a failure of the receiver (Temporal's policy retries it), for an exhausted
 *   or blocked delivery, for an attempt that must wait, for a key that is not here, and for a fault
 */
export async function attemptDelivery(
  deps: AttemptDeps,
  { deliveryId, accountId, traceparent }: DeliverInput,
  { number, shares }: { number: number; shares: Shares },
): Promise<DeliverResult> {
  const log = deps.log.with({ deliveryId, attempt: number });
  // The lines of an attempt have those of its own span.
  const ids = idsIn(traceparent);
  try {
    const context = await deps.ledger.load(deliveryId, await deps.now(), accountId);
    if (context === undefined) return await withoutContext(deps, deliveryId, log);
    const { attempts } = context.delivery;
    if (needsNoAttempt(context) || number <= attempts) return await goByTheLog(deps, context, number);
    if (number > attempts + 1) throw fault(`Temporal is at attempt ${number}, but the log has ${attempts}`);
    await refuseEarly(deps, context, log.with(ids));
    await takeShare(deps, context, shares);
    const instead = await insteadOfAttempt(deps, context);
    if (instead?.kind === "moved") return await goByTheLogAgain(deps, context, number);
    if (instead !== undefined) return resultInstead(deps, context, instead);
    const attempted = await makeAttempt(deps, context, { number, log, traceparent });
    switch (attempted.kind) {
      case "ended":
        return ended(attempted.state, number, attempted.tried);
      case "failed":
        throw attemptFailed(attempted.tried, attempted.nextAttemptAt, attempted.waitMs);
      case "given_up":
        return givenUp(number);
      case "came_second":
        return await goByTheLogAgain(deps, context, number);
    }
  } catch (error) {
    if (error instanceof UnknownKey) {
      noteUnknownKey(deps, log.with(ids), error);
      throw unknownKey(error.keyId, { nonRetryable: true });
    }
    const failure = error instanceof ApplicationFailure ? error : fault("the worker or its database failed");
    if (failure.type === FAULT) {
      log.error("delivery.faulted", error, ids);
      deps.observer?.faulted();
    }
    throw failure;
  } finally {
    endPlaces(deps, shares, deliveryId);
  }
}

function endPlaces({ hosts }: AttemptDeps, shares: Shares, id: DeliveryId): void {
  shares.end(id);
  hosts?.end(id);
}

/**
 * Takes a place for the attempt among those of this process. A first attempt was admitted when it was
 * claimed.
 *
 * @throws ApplicationFailure if a retry must wait because its account holds its part, or all at its host
 */
async function takeShare(deps: AttemptDeps, context: AttemptContext, shares: Shares): Promise<void> {
  const { hosts } = deps;
  const { id, accountId, attempts } = context.delivery;
  const { targetUrl } = context.subscription;
  const isFirst = attempts === 0;
  if (!isFirst && hosts?.hasRoomFor(id, accountId, targetUrl) === false) {
    const untilMs = await reserve(deps, context, hosts.nextRoomAt(accountId, targetUrl, await deps.now()));
    noteWait(deps, context, "host", untilMs);
    throw notYet(untilMs, "the account's other attempts hold all places at the host");
  }
  if (isFirst) shares.begin(id, accountId);
  else if (!shares.tryToBegin(id, accountId)) {
    const untilMs = await reserve(deps, context, shares.nextRoomAt(accountId, await deps.now()));
    noteWait(deps, context, "account", untilMs);
    throw notYet(untilMs, "the account's other attempts hold its part of the worker");
  }
  hosts?.begin(id, accountId, targetUrl);
}

/**
 * Refuses a retry that Temporal dispatches before it is due.
 *
 * Temporal does so after a restart of its matching service. That service persists its progress through a
 * backlog up to a minute late (`matching.updateAckInterval`), so it dispatches completed tasks again. The
 * history service accepts a stale task for an activity that is waiting in its backoff
 * (`system.enableActivityRetryStampIncrement` is off in server 1.32). See docs/design/delivering.md.
 *
 * @throws ApplicationFailure if the retry is not due
 */
async function refuseEarly(
  { now, observer }: AttemptDeps,
  { delivery }: AttemptContext,
  log: Log,
): Promise<void> {
  const { attempts, nextAttemptAt, subscriptionId } = delivery;
  // A first attempt is always due: its time was set at ingest, by another machine's clock.
  if (attempts === 0 || nextAttemptAt === null || isDue(nextAttemptAt, await now())) return;
  log.warn("delivery.early", { subscriptionId, dueAt: isoTime(nextAttemptAt) });
  observer?.handedOutEarly();
  throw handedOutEarly(nextAttemptAt);
}

/** Ends a delivery that cannot be loaded. */
async function withoutContext(deps: AttemptDeps, deliveryId: DeliveryId, log: Log): Promise<DeliverResult> {
  const orphan = await giveUpOrphan(deps, deliveryId, log);
  if (orphan.kind === "intact") throw fault("the delivery could not be loaded, and now can");
  const reason = orphan.kind === "cancelled" ? orphan.reason : "delivery not found";
  return { state: "cancelled", attempts: 0, summary: `cancelled: ${reason}` };
}

/** Ends the activity without a request, with the result that the row and the log dictate. */
async function goByTheLog(
  deps: AttemptDeps,
  context: AttemptContext,
  number: number,
): Promise<DeliverResult> {
  const { delivery, lastAttempt } = context;
  if (isTerminal(delivery.state)) return ended(delivery.state, delivery.attempts, lastAttempt);
  if (delivery.state === "parked") return parked(delivery.attempts);
  if (number > delivery.attempts)
    throw fault("the delivery was parked and resumed before its attempt was sent");
  if (lastAttempt === undefined) throw fault("the row counts an attempt, but the log has none");
  if (number < delivery.attempts) throw attemptFailed(lastAttempt, delivery.nextAttemptAt, 1);
  const now = await deps.now();
  const dueMs = Math.max(now, delivery.nextAttemptAt ?? 0);
  const nextAttemptAt = context.isReserved ? dueMs : await reserve(deps, context, dueMs);
  throw attemptFailed(lastAttempt, nextAttemptAt, Math.max(1, nextAttemptAt - now));
}

/** Reserves a turn for a retry among the subscription's other attempts, and returns when it may start. */
async function reserve(deps: AttemptDeps, context: AttemptContext, dueMs: number): Promise<number> {
  const { delivery } = context;
  const now = await deps.now();
  const request = {
    delivery,
    subscriptionId: delivery.subscriptionId,
    pace: paceOf(deps, context),
    dueMs,
    now,
  };
  return await patiently(() => reserveTurn(deps.store, request));
}

/** Logs and counts that a retry waits, and for what. */
function noteWait(
  { log, observer }: AttemptDeps,
  { delivery: { id: deliveryId, subscriptionId, traceparent } }: AttemptContext,
  what: "account" | "host" | "subscription",
  untilMs: number,
): void {
  const ids = idsIn(traceparent);
  log.info("delivery.waits", { deliveryId, subscriptionId, for: what, until: isoTime(untilMs), ...ids });
  observer?.waited();
}

/** Logs and counts that an attempt waits for a key that this process lacks. */
export function noteUnknownKey(
  { observer }: Pick<AttemptDeps, "observer">,
  log: Log,
  { keyId }: UnknownKey,
): void {
  log.warn("delivery.waits", { for: "key", keyId });
  observer?.lackedKey();
}

/** @throws ApplicationFailure if a retry must wait for its turn */
function resultInstead(
  deps: AttemptDeps,
  context: AttemptContext,
  instead: Exclude<Instead, { readonly kind: "moved" }>,
): DeliverResult {
  const { lastAttempt } = context;
  const { attempts } = context.delivery;
  switch (instead.kind) {
    case "cancelled":
      return ended("cancelled", attempts, lastAttempt);
    case "parked":
      return parked(attempts);
    case "unclaimed":
      return {
        state: "pending",
        attempts,
        summary: "waiting for its turn: the subscription's rate or concurrency limit is reached",
      };
    case "wait":
      noteWait(deps, context, "subscription", instead.untilMs);
      throw notYet(instead.untilMs, "the subscription's rate or concurrency limit is reached");
  }
}

const givenUp = (number: number): DeliverResult => ({
  state: "cancelled",
  attempts: number - 1,
  summary: `cancelled: attempt ${number} was sent, but the database refuses to record it`,
});

const parked = (attempts: number): DeliverResult => ({
  state: "parked",
  attempts,
  summary: "parked until the subscription is active again",
});

/** Reads the row again, which has moved meanwhile, and goes by the log. */
async function goByTheLogAgain(
  deps: AttemptDeps,
  { delivery }: AttemptContext,
  number: number,
): Promise<DeliverResult> {
  const context = await deps.ledger.load(delivery.id, await deps.now(), delivery.accountId);
  if (context === undefined) throw fault("the delivery's row disappeared during the attempt");
  return await goByTheLog(deps, context, number);
}
