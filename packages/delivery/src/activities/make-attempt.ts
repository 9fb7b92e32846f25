import {
  ATTEMPT_TIMEOUT_MS,
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
import { type Log, noTracer, type Span, type Tracer } from "@posthaste/runtime";
import type {
  Attempt,
  AttemptContext,
  AttemptLedger,
  RetentionAges,
  RetentionKind,
  Store,
} from "@posthaste/store";
import { patiently } from "./patiently.ts";
import { redact, shownHeaders } from "./redact.ts";
import { webhookBody, webhookHeaders } from "./webhook-request.ts";

export type AttemptDeps = {
  readonly store: Store;
  /** Of the same store, shared by all that make attempts in this process. */
  readonly ledger: AttemptLedger;
  readonly log: Log;
  readonly egress: Egress;
  /** Epoch milliseconds. In tests the time-skipping server's clock, which can only be asked for. */
  readonly now: () => number | Promise<number>;
  /** Default: nobody is told. */
  readonly observer?: AttemptObserver;
  /** Default: nothing is traced. */
  readonly tracer?: Tracer;
  /** Attempts of one subscription under way at once, where its owner chose no number. */
  readonly concurrencyDefault: number;
  /** How old what is stored may become. Default: {@link RETENTION_AGES}. */
  readonly retention?: RetentionAges;
  /** When a subscription that keeps failing is disabled. Default: domain's. */
  readonly disableRule?: DisableRule;
};

/** What the activities tell as it happens, beside their log. */
export type AttemptObserver = {
  /** An attempt was written: its subscription may have room for its next delivery. */
  readonly attempted: (attempt: {
    readonly outcome: Outcome;
    readonly durationMs: number;
    /** The delivery's state after it. */
    readonly state: DeliveryState;
  }) => void;
  /** A fault of ours cut an attempt off; it is made again. */
  readonly faulted: () => void;
  /** A retry has to wait for its turn. */
  readonly waited: () => void;
  /** Temporal handed out a retry before it was due. */
  readonly handedOutEarly: () => void;
  /** A recovery or replay created deliveries. */
  readonly recovered: () => void;
  /** Retention deleted rows. */
  readonly deleted: (kind: RetentionKind, count: number) => void;
};

/** What came of an attempt, in the words that people are told. */
export type Tried = { readonly number: number; readonly outcome: Outcome; readonly status: number | null };

export type Attempted =
  | { readonly kind: "ended"; readonly state: TerminalState; readonly tried: Tried }
  /** The next attempt is made then; `waitMs` is what is left until then, where the schedule alone does not say so. */
  | {
      readonly kind: "failed";
      readonly tried: Tried;
      readonly nextAttemptAt: number;
      readonly waitMs: number | undefined;
    }
  /** Somebody else made this attempt, too, and wrote it first. */
  | { readonly kind: "came_second" };

export type AttemptToMake = {
  /** 1 for the first. */
  readonly number: number;
  readonly log: Log;
  /** Of what asked for the attempt; undefined: where the event was ingested. */
  readonly traceparent?: string | undefined;
  /** No workflow carries the delivery yet. */
  readonly awaitsWorkflow?: boolean;
};

/** How fast a subscription is sent to: what its owner chose, or the default. */
export function paceOf({ concurrencyDefault }: AttemptDeps, { subscription }: AttemptContext): Pace {
  return { rate: subscription.rate, concurrency: subscription.concurrency ?? concurrencyDefault };
}

/** Makes an attempt that is due: POST, classify, write. As a span of its own, in the tree of its event's ingest. */
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
    const log = span.traceId === undefined ? attempt.log : attempt.log.with({ traceId: span.traceId });
    return postAndRecord(deps, context, { ...attempt, log }, span);
  });
}

async function postAndRecord(
  deps: AttemptDeps,
  context: AttemptContext,
  { number, log, awaitsWorkflow = false }: AttemptToMake,
  span: Span,
): Promise<Attempted> {
  const { delivery, subscription, event } = context;
  const body = webhookBody(event.data);
  const startedAt = await deps.now();
  const begun = performance.now();
  let sent: Readonly<Record<string, string>> = {};
  const { blockedFor, ...result } = await post(deps, context, body, span, async (traceparent) => {
    sent = await webhookHeaders(context, body, number, startedAt, traceparent);
    return sent;
  });
  const durationMs = Math.round(performance.now() - begun);
  const now = await deps.now();

  const retryAfter = result.responseHeaders.find(([name]) => name === "retry-after")?.[1];
  const retryAfterMs = retryAfter === undefined ? undefined : parseRetryAfterMs(retryAfter, now);
  const state = terminalStateAfter(number, result.outcome, delivery.isTest);
  const waitMs = state === undefined ? waitAfterAttemptMs(number, retryAfterMs) : undefined;
  const attempt: Attempt = {
    ...redact(result, subscription),
    requestHeaders: shownHeaders(sent, subscription),
    number,
    startedAt,
    durationMs,
    acceptance: subscription.acceptance,
    targetUrl: withoutQuery(subscription.targetUrl),
    retryAfterMs: retryAfterMs ?? null,
  };
  // The receiver has answered: asking it again because our database blinked would be our fault.
  const { kind: recorded, nextAttemptAt } = await patiently(() =>
    deps.ledger.record({
      deliveryId: delivery.id,
      attempt,
      state: state ?? "started",
      nextAttemptAt: waitMs === undefined ? null : now + waitMs,
      pace: paceOf(deps, context),
      endedReason: state === undefined ? null : endedReason(state, number, delivery.isTest),
      awaitsWorkflow: awaitsWorkflow && state === undefined,
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
  deps.observer?.attempted({ outcome: result.outcome, durationMs, state: state ?? "started" });

  if (recorded === "already_recorded") return { kind: "came_second" };
  const tried = { number, outcome: result.outcome, status: result.status };
  if (state !== undefined) return { kind: "ended", state, tried };
  const toWaitMs = (nextAttemptAt ?? now) - now;
  const isOnSchedule = toWaitMs === waitAfterAttemptMs(number, undefined);
  return {
    kind: "failed",
    tried,
    nextAttemptAt: nextAttemptAt ?? now,
    waitMs: isOnSchedule ? undefined : toWaitMs,
  };
}

/** Sends the request, as a span of its own that the receiver may go on from. */
async function post(
  { egress, tracer = noTracer }: AttemptDeps,
  { subscription }: AttemptContext,
  body: Uint8Array,
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
      return isTest ? "a test is tried once" : `all ${number} attempts of the schedule failed`;
    case "cancelled":
      return "the receiver answered 410, which ends the subscription";
    case "blocked":
      return "the target may not be called";
    case "succeeded":
      return null;
  }
}
