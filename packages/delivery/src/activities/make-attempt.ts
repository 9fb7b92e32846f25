import {
  ATTEMPT_TIMEOUT_MS,
  type DeliveryId,
  type DeliveryState,
  type DisableRule,
  type Outcome,
  type Pace,
  parseRetryAfterMs,
  type TerminalState,
  terminalStateAfter,
  waitAfterAttemptMs,
  withoutQuery,
} from "@posthaste/domain";
import type { Egress } from "@posthaste/egress";
import { isoTime, type Log, noTracer, type Span, type Tracer } from "@posthaste/runtime";
import {
  type Attempt,
  type AttemptContext,
  type AttemptLedger,
  noteHostProven,
  type RetentionAges,
  type RetentionKind,
  type Store,
} from "@posthaste/store";
import { type Answer, type GiveUpReason, keptAnswer, recordAnswer } from "./give-up.ts";
import type { HostPlaces } from "./host-places.ts";
import { shownHeaders } from "./redact.ts";
import { redactInTurn } from "./redact-in-turn.ts";
import type { Shares } from "./shares.ts";
import { USER_AGENT, webhookHeaders } from "./webhook-request.ts";

export type AttemptDeps = {
  readonly store: Store;
  /** The ledger of the same store, shared by all attempts in this process. */
  readonly ledger: AttemptLedger;
  readonly log: Log;
  readonly egress: Egress;
  /** Epoch milliseconds. Asynchronous in tests, which query the clock of the time-skipping server. */
  readonly now: () => number | Promise<number>;
  /** The places of this process's attempts in workflows. */
  readonly shares: { readonly first: Shares; readonly retries: Shares };
  /** The places of this process's attempts at each host, of all kinds. Default: any number. */
  readonly hosts?: HostPlaces | undefined;
  /**
   * Tells the activity of a waiting delivery that its next attempt is due; see `client/retry-now.ts`.
   * Default: that is left to the reconciler.
   */
  readonly retryNow?: (id: DeliveryId) => Promise<unknown>;
  /** Default: none. */
  readonly observer?: AttemptObserver;
  /** Default: no tracing. */
  readonly tracer?: Tracer;
  /** Attempts of one subscription in flight at once, if its owner has not chosen a number. */
  readonly concurrencyDefault: number;
  /** The age at which rows are deleted. Default: `RETENTION_AGES`. */
  readonly retention?: RetentionAges;
  /** When a failing subscription is disabled. Default: the domain's `DISABLE_RULE`. */
  readonly disableRule?: DisableRule;
  /** The `user-agent` header of requests. Default: Posthaste and its version. */
  readonly userAgent?: string | undefined;
};

/** Callbacks of the activities, for metrics and for the dispatcher. */
export type AttemptObserver = {
  /** An attempt was written, so its subscription may have a free slot for another delivery. */
  readonly attempted: (attempt: {
    readonly outcome: Outcome;
    readonly durationMs: number;
    /** The delivery's state after the attempt. */
    readonly state: DeliveryState;
  }) => void;
  /** A fault interrupted an attempt, which will be repeated. */
  readonly faulted: () => void;
  /** Work waits, because this process lacks the key that sealed a secret. */
  readonly lackedKey: () => void;
  /** A delivery was cancelled because of a fault that no repetition mends; see `give-up.ts`. */
  readonly gaveUp: (why: GiveUpReason) => void;
  /** A retry must wait for its turn. */
  readonly waited: () => void;
  /** Temporal dispatched a retry before it was due. */
  readonly handedOutEarly: () => void;
  /** A recovery or replay created deliveries. */
  readonly recovered: () => void;
  /** Retention deleted rows. */
  readonly deleted: (kind: RetentionKind, count: number) => void;
};

/** The part of an attempt that messages to operators describe. */
export type Tried = { readonly number: number; readonly outcome: Outcome; readonly status: number | null };

export type Attempted =
  | { readonly kind: "ended"; readonly state: TerminalState; readonly tried: Tried }
  /** Another attempt follows. `waitMs` is the wait until then if it differs from the schedule's. */
  | {
      readonly kind: "failed";
      readonly tried: Tried;
      readonly nextAttemptAt: number;
      readonly waitMs: number | undefined;
    }
  /** Another run of the same attempt was written first. */
  | { readonly kind: "came_second" }
  /** Its answer cannot be recorded, so the delivery was cancelled; see `give-up.ts`. */
  | { readonly kind: "given_up" };

export type AttemptToMake = {
  /** From 1. */
  readonly number: number;
  readonly log: Log;
  /** The trace context of the request for this attempt. Default: that of the event's ingest. */
  readonly traceparent?: string | undefined;
  /** The delivery has no workflow yet. Default: false. */
  readonly awaitsWorkflow?: boolean;
  /** Returns whether the request may be sent, asked when it is ready. Default: it may. */
  readonly holdsClaim?: () => Promise<boolean>;
};

/** The delivery may be another worker's by now. Nothing was sent. */
export class ClaimNotHeld extends Error {
  override readonly name = "ClaimNotHeld";
}

/** Returns the subscription's rate and concurrency. The rate has no default. */
export function paceOf({ concurrencyDefault }: AttemptDeps, { subscription }: AttemptContext): Pace {
  return { rate: subscription.rate, concurrency: subscription.concurrency ?? concurrencyDefault };
}

/**
 * Runs a due attempt in a span of its own: sends the POST, classifies the response and writes the attempt.
 *
 * @throws ClaimNotHeld
 */
export async function makeAttempt(
  deps: AttemptDeps,
  context: AttemptContext,
  attempt: AttemptToMake,
): Promise<Attempted> {
  const { tracer = noTracer } = deps;
  const { delivery } = context;
  const parent = attempt.traceparent ?? delivery.traceparent ?? undefined;
  const attributes = { "posthaste.delivery.id": delivery.id, "posthaste.attempt": attempt.number };
  return await tracer.span("attempt delivery", { kind: "consumer", parent, attributes }, (span) => {
    return postAndRecord(deps, context, { ...attempt, log: attempt.log.with(span.ids) }, span);
  });
}

async function postAndRecord(
  deps: AttemptDeps,
  context: AttemptContext,
  toMake: AttemptToMake,
  span: Span,
): Promise<Attempted> {
  const { number, log } = toMake;
  const { delivery, subscription, event } = context;
  const kept = keptAnswer(delivery.id, number);
  const answer = kept ?? (await postForAnswer(deps, context, toMake, span));
  // The receiver has already answered: a failure of the database must not cause a second request.
  const written = await recordAnswer(deps, answer, log);
  if (written.kind === "given_up") return written;
  const { kind: recorded, nextAttemptAt } = written;
  const { attempt, state, blockedFor } = answer;
  const { outcome, status, detail, address, durationMs } = attempt;
  log.info("delivery.attempted", {
    accountId: delivery.accountId,
    eventId: event.id,
    eventType: event.type,
    subscriptionId: subscription.id,
    ...{ outcome, status, detail, address },
    ...(blockedFor === null ? {} : { blockedFor }),
    ...{ durationMs, nextAttemptAt: isoTime(nextAttemptAt), state, recorded },
  });
  deps.observer?.attempted({ outcome, durationMs, state });
  await noteProof(deps, context, status, log);

  if (recorded === "already_recorded") return { kind: "came_second" };
  const tried = { number, outcome, status };
  if (state !== "started") return { kind: "ended", state, tried };
  // The wait counts from the answer, not from its record: a moment later, it would be off the schedule.
  const now = kept === undefined ? answer.now : await deps.now();
  const toWaitMs = Math.max(1, (nextAttemptAt ?? now) - now);
  const isOnSchedule = toWaitMs === waitAfterAttemptMs(number, undefined);
  return {
    kind: "failed",
    tried,
    nextAttemptAt: nextAttemptAt ?? now,
    waitMs: isOnSchedule ? undefined : toWaitMs,
  };
}

/**
 * Notes once that the subscription's host has answered with 2xx. The attempt is recorded: a failure of the
 * database must not make it look like a fault, and the next such answer is noted.
 */
async function noteProof(
  { store }: AttemptDeps,
  { subscription }: AttemptContext,
  status: number | null,
  log: Log,
): Promise<void> {
  if (subscription.isHostProven || status === null || status < 200 || status > 299) return;
  try {
    await noteHostProven(store, subscription);
  } catch (error) {
    log.error("host.proof_lost", error, { subscriptionId: subscription.id });
  }
}

/** Sends the request, and returns what is to be recorded. */
async function postForAnswer(
  deps: AttemptDeps,
  context: AttemptContext,
  { number, awaitsWorkflow = false, holdsClaim }: AttemptToMake,
  span: Span,
): Promise<Answer> {
  const { delivery, subscription } = context;
  const startedAt = await deps.now();
  const begun = performance.now();
  let sent: Readonly<Record<string, string>> = {};
  const { blockedFor, ...result } = await post(deps, context, span, async (traceparent) => {
    const { userAgent = USER_AGENT } = deps;
    sent = await webhookHeaders(context, { number, nowMs: startedAt, userAgent, traceparent });
    // Only now: large bodies wait for their turn to be signed.
    if ((await holdsClaim?.()) === false) throw new ClaimNotHeld();
    return sent;
  });
  const durationMs = Math.round(performance.now() - begun);
  const now = await deps.now();

  const retryAfter = result.responseHeaders.find(([name]) => name === "retry-after")?.[1];
  const retryAfterMs = retryAfter === undefined ? undefined : parseRetryAfterMs(retryAfter, now);
  const state = terminalStateAfter(number, result.outcome, delivery.isTest);
  const waitMs = state === undefined ? waitAfterAttemptMs(number, retryAfterMs) : undefined;
  const attempt: Attempt = {
    ...(await redactInTurn(delivery.accountId, result, subscription)),
    requestHeaders: shownHeaders(sent, subscription),
    number,
    startedAt,
    durationMs,
    acceptance: subscription.acceptance,
    targetUrl: withoutQuery(subscription.targetUrl),
    targetHash: subscription.targetHash,
    retryAfterMs: retryAfterMs ?? null,
  };
  return {
    deliveryId: delivery.id,
    accountId: delivery.accountId,
    attempt,
    state: state ?? "started",
    nextAttemptAt: waitMs === undefined ? null : now + waitMs,
    pace: paceOf(deps, context),
    endedReason: state === undefined ? null : endedReason(state, number, delivery.isTest),
    awaitsWorkflow: awaitsWorkflow && state === undefined,
    now,
    wasHealthy: subscription.isHealthy,
    blockedFor,
    ...(deps.disableRule === undefined ? {} : { disableRule: deps.disableRule }),
  };
}

/** Sends the request in a span of its own, whose trace context the receiver gets. */
async function post(
  { egress, tracer = noTracer }: AttemptDeps,
  { delivery, subscription, body }: AttemptContext,
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
        body,
        acceptance: subscription.acceptance,
        accountId: delivery.accountId,
        timeoutMs: subscription.timeoutMs ?? ATTEMPT_TIMEOUT_MS,
      });
      span.set({ "posthaste.outcome": result.outcome });
      if (result.status !== null) span.set({ "http.response.status_code": result.status });
      if (result.outcome !== "accepted") span.fail(result.outcome);
      return result;
    },
  );
}

function endedReason(state: TerminalState, number: number, isTest: boolean): string | null {
  switch (state) {
    case "exhausted":
      return isTest ? "a test event gets only one attempt" : `all ${number} attempts of the schedule failed`;
    case "cancelled":
      return "the receiver answered 410, which ends the subscription";
    case "blocked":
      return "deliveries may not reach the target's address";
    case "succeeded":
      return null;
  }
}
