import { setTimeout as sleep } from "node:timers/promises";
import {
  ATTEMPT_TIMEOUT_MS,
  type DeliveryId,
  type DisableRule,
  isTerminal,
  parseRetryAfterMs,
  terminalStateAfter,
  waitAfterAttemptMs,
  withoutQuery,
} from "@posthaste/domain";
import { type Log, noTracer, type Span, type Tracer } from "@posthaste/runtime";
import {
  type Attempt,
  type AttemptContext,
  cancelDelivery,
  loadForAttempt,
  parkDelivery,
  type RetentionAges,
  recordAttempt,
  reserveTurn,
  type Store,
  takeTurn,
} from "@posthaste/store";
import { ApplicationFailure } from "@temporalio/common";
import type { DeliverInput, DeliverResult } from "../names.ts";
import type { Egress } from "./egress/egress.ts";
import { attemptFailed, ended, fault, notYet } from "./failures.ts";
import { patiently } from "./patiently.ts";
import { redact } from "./redact.ts";
import { webhookBody, webhookHeaders } from "./webhook-request.ts";

export type AttemptDeps = {
  readonly store: Store;
  readonly log: Log;
  readonly egress: Egress;
  /** Epoch milliseconds. In tests the time-skipping server's clock, which can only be asked for. */
  readonly now: () => number | Promise<number>;
  /** Called after each attempt was written: a subscription may have room for its next delivery. */
  readonly onAttempted?: () => void;
  /** Default: nothing is traced. */
  readonly tracer?: Tracer;
  /** Attempts of one subscription under way at once, where its owner chose no number. */
  readonly concurrencyDefault: number;
  /** How old what is stored may become. Default: {@link RETENTION_AGES}. */
  readonly retention?: RetentionAges;
  /** When a subscription that keeps failing is disabled. Default: domain's. */
  readonly disableRule?: DisableRule;
};

/**
 * Makes one attempt of a delivery, or finds that none is to be made.
 *
 * The row and the attempt log are the truth, Temporal is the clock. The row's attempts and Temporal's attempt number
 * meet in one of three ways:
 *
 * - `number ≤ attempts`: the log knows this attempt. It was made before a fault of ours or by a workflow that is gone.
 *   No request: the logged failure is thrown again, at once for old ones, with what is left of the wait for the last.
 * - `number = attempts + 1`: the attempt is due. POST, classify, write, and let the policy time the next.
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
    const context = await loadForAttempt(deps.store, deliveryId, await deps.now());
    if (context === undefined)
      return { state: "cancelled", attempts: 0, summary: "cancelled: no such delivery" };
    if (isSettled(context) || number <= context.delivery.attempts)
      return await goByTheLog(deps, context, number);
    const { state } = context.subscription;
    if (state === "ended") return await cancelEnded(deps, context);
    if (
      (state === "paused" || state === "disabled") &&
      !context.delivery.isTest &&
      (await park(deps, context))
    ) {
      return parked(context.delivery.attempts);
    }
    if (number > context.delivery.attempts + 1) {
      throw fault(`Temporal counts ${number} attempts, the log ${context.delivery.attempts}`);
    }
    if (!(await hasItsTurn(deps, context))) {
      return {
        state: "pending",
        attempts: context.delivery.attempts,
        summary: "waits for its turn: the subscription's rate is used up",
      };
    }
    const { tracer = noTracer } = deps;
    const parent = traceparent ?? context.delivery.traceparent ?? undefined;
    const attributes = { "posthaste.delivery.id": deliveryId, "posthaste.attempt": number };
    return await tracer.span("attempt delivery", { kind: "consumer", parent, attributes }, (span) =>
      makeAttempt(
        deps,
        span.traceId === undefined ? log : log.with({ traceId: span.traceId }),
        context,
        number,
        span,
      ),
    );
  } catch (error) {
    if (error instanceof ApplicationFailure) throw error;
    log.error("delivery.faulted", error);
    throw fault("the worker or its database failed");
  }
}

async function makeAttempt(
  deps: AttemptDeps,
  log: Log,
  context: AttemptContext,
  number: number,
  span: Span,
): Promise<DeliverResult> {
  const { delivery, subscription, event } = context;
  const body = webhookBody(event.data);
  const startedAt = await deps.now();
  const begun = performance.now();
  const { blockedFor, ...result } = await post(deps, context, span, (traceparent) =>
    webhookHeaders(context, body, number, startedAt, traceparent),
  );
  const durationMs = Math.round(performance.now() - begun);
  const now = await deps.now();

  const retryAfter = result.responseHeaders.find(([name]) => name === "retry-after")?.[1];
  const retryAfterMs = retryAfter === undefined ? undefined : parseRetryAfterMs(retryAfter, now);
  const state = terminalStateAfter(number, result.outcome, delivery.isTest);
  const waitMs = state === undefined ? waitAfterAttemptMs(number, retryAfterMs) : undefined;
  const nextAttemptAt = waitMs === undefined ? null : await reserve(deps, context, now + waitMs);
  const attempt: Attempt = {
    ...redact(result, subscription),
    number,
    startedAt,
    durationMs,
    acceptance: subscription.acceptance,
    targetUrl: withoutQuery(subscription.targetUrl),
    retryAfterMs: retryAfterMs ?? null,
  };
  // The receiver has answered: asking it again because our database blinked would be our fault.
  const recorded = await patiently(() =>
    recordAttempt(deps.store, {
      deliveryId: delivery.id,
      attempt,
      state: state ?? "started",
      nextAttemptAt,
      isReserved: nextAttemptAt !== null,
      endedReason: state === undefined ? null : endedReason(state, number, delivery.isTest),
      now,
      wasHealthy: subscription.isHealthy,
      ...(deps.disableRule === undefined ? {} : { disableRule: deps.disableRule }),
    }),
  );
  log.info("delivery.attempted", {
    eventId: event.id,
    eventType: event.type,
    subscriptionId: subscription.id,
    outcome: result.outcome,
    status: result.status,
    detail: result.detail,
    address: result.address,
    ...(blockedFor === null ? {} : { blockedFor }),
    durationMs,
    nextAttemptAt,
    state: state ?? "started",
    recorded,
  });
  deps.onAttempted?.();

  if (recorded === "already_recorded") {
    return await goByTheLog(deps, await reload(deps, delivery.id), number);
  }
  const tried = { number, outcome: result.outcome, status: result.status };
  if (state !== undefined) return ended(state, number, tried);
  const toWaitMs = (nextAttemptAt ?? now) - now;
  const scheduledByPolicy = toWaitMs === waitAfterAttemptMs(number, undefined);
  throw attemptFailed(tried, nextAttemptAt, scheduledByPolicy ? undefined : toWaitMs);
}

/** When a retry that is due then is to be made, among the others of its subscription. */
async function reserve(
  { store, now, concurrencyDefault }: AttemptDeps,
  { subscription }: AttemptContext,
  dueMs: number,
  deliveryId?: DeliveryId,
): Promise<number> {
  const at = await now();
  return await patiently(() =>
    reserveTurn(store, {
      subscriptionId: subscription.id,
      pace: { rate: subscription.rate, concurrency: subscription.concurrency ?? concurrencyDefault },
      dueMs,
      now: at,
      ...(deliveryId === undefined ? {} : { deliveryId }),
    }),
  );
}

/** Sends the request, as a span of its own that the receiver may go on from. */
async function post(
  { egress, tracer = noTracer }: AttemptDeps,
  { subscription, event }: AttemptContext,
  parent: Span,
  headersFor: (traceparent: string | undefined) => Promise<Record<string, string>>,
): ReturnType<Egress> {
  const { hostname, port, protocol } = new URL(subscription.targetUrl);
  const attributes = {
    "http.request.method": "POST",
    "server.address": hostname,
    "server.port": Number(port) || (protocol === "https:" ? 443 : 80),
  };
  return await tracer.span(
    "POST",
    { kind: "client", parent: parent.traceparent, attributes },
    async (span) => {
      const result = await egress({
        url: subscription.targetUrl,
        headers: await headersFor(span.traceparent),
        body: webhookBody(event.data),
        acceptance: subscription.acceptance,
        timeoutMs: subscription.timeoutMs ?? ATTEMPT_TIMEOUT_MS,
      });
      span.set({ "posthaste.outcome": result.outcome });
      if (result.status !== null) span.set({ "http.response.status_code": result.status });
      if (result.outcome !== "accepted") span.fail(result.outcome);
      return result;
    },
  );
}

/** Nothing is to be requested: answer from the row and its log. */
async function goByTheLog(
  deps: AttemptDeps,
  context: AttemptContext,
  number: number,
): Promise<DeliverResult> {
  const { delivery, lastAttempt } = context;
  if (isTerminal(delivery.state)) return ended(delivery.state, delivery.attempts, lastAttempt);
  if (delivery.state === "parked") {
    return parked(delivery.attempts);
  }
  if (lastAttempt === undefined) throw fault("the log has no attempt to go by");
  if (number < delivery.attempts) throw attemptFailed(lastAttempt, delivery.nextAttemptAt, 1);
  const now = await deps.now();
  const dueMs = Math.max(now, delivery.nextAttemptAt ?? 0);
  const nextAttemptAt = context.isReserved ? dueMs : await reserve(deps, context, dueMs, delivery.id);
  throw attemptFailed(lastAttempt, nextAttemptAt, Math.max(1, nextAttemptAt - now));
}

function isSettled(context: AttemptContext): boolean {
  return isTerminal(context.delivery.state) || context.delivery.state === "parked";
}

const parked = (attempts: number): DeliverResult => ({
  state: "parked",
  attempts,
  summary: "parked until its subscription is active again",
});

async function park({ store, now }: AttemptDeps, { delivery }: AttemptContext): Promise<boolean> {
  return await parkDelivery(store, {
    id: delivery.id,
    subscriptionId: delivery.subscriptionId,
    now: await now(),
  });
}

/**
 * Waits for the moment when the attempt may be sent, if that is near. False: a first attempt, which the dispatcher
 * starts again.
 *
 * @throws ApplicationFailure where a retry has to wait longer
 */
async function hasItsTurn(deps: AttemptDeps, context: AttemptContext): Promise<boolean> {
  const { delivery, subscription, isClaimed } = context;
  // Let in when it was claimed, and nothing says when it is to be sent.
  if (isClaimed && subscription.rate === null) return true;
  const now = await deps.now();
  const turn = await takeTurn(deps.store, {
    deliveryId: delivery.id,
    subscriptionId: subscription.id,
    pace: { rate: subscription.rate, concurrency: subscription.concurrency ?? deps.concurrencyDefault },
    timeoutMs: subscription.timeoutMs ?? ATTEMPT_TIMEOUT_MS,
    now,
  });
  if (turn.kind === "wait") {
    deps.log.info("delivery.waits", {
      deliveryId: delivery.id,
      subscriptionId: subscription.id,
      untilMs: turn.untilMs,
    });
    throw notYet(turn.untilMs);
  }
  if (turn.kind === "unclaimed") return false;
  if (turn.atMs > now) await sleep(turn.atMs - now);
  return true;
}

async function cancelEnded(deps: AttemptDeps, context: AttemptContext): Promise<DeliverResult> {
  const { delivery, lastAttempt } = context;
  await cancelDelivery(deps.store, {
    id: delivery.id,
    reason: "its subscription has ended",
    now: await deps.now(),
  });
  return ended("cancelled", delivery.attempts, lastAttempt);
}

async function reload({ store, now }: AttemptDeps, deliveryId: DeliveryId): Promise<AttemptContext> {
  const context = await loadForAttempt(store, deliveryId, await now());
  if (context === undefined) throw fault("the delivery vanished while it was attempted");
  return context;
}

function endedReason(state: string, number: number, isTest: boolean): string | null {
  switch (state) {
    case "exhausted":
      return isTest ? "a test is tried once" : `all ${number} attempts of the schedule failed`;
    case "cancelled":
      return "the receiver answered 410, which ends the subscription";
    case "blocked":
      return "the target may not be called";
    default:
      return null;
  }
}
