import { create } from "@bufbuild/protobuf";
import { durationFromMs, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  AccountSchema,
  ErasureSchema,
  ErasureState,
  Lane as ProtoLane,
  TokenSchema,
} from "@posthaste/contracts/account";
import {
  AttemptSchema,
  DeliveryChangeSchema,
  DeliverySchema,
  EventSummarySchema,
  GetEventResponseSchema,
  DeliveryState as ProtoDeliveryState,
  LeftOutReason as ProtoLeftOutReason,
  Outcome as ProtoOutcome,
  RecoveryKind as ProtoRecoveryKind,
  RecoveryState as ProtoRecoveryState,
  RecoverySchema,
} from "@posthaste/contracts/delivery";
import {
  GetSubscriptionHealthResponseSchema,
  Acceptance as ProtoAcceptance,
  SubscriptionState as ProtoSubscriptionState,
  SigningKeySchema,
  SubscriptionSchema,
} from "@posthaste/contracts/subscription";
import type { Names } from "@posthaste/delivery/client";
import {
  ACCEPTANCES,
  type Acceptance,
  ATTEMPT_TIMEOUT_MS,
  DELIVERY_STATES,
  type DeliveryState,
  type FoundValue,
  LANES,
  type Lane,
  LEFT_OUT_REASONS,
  type LeftOutReason,
  OUTCOMES,
  type Outcome,
  RECOVERY_KINDS,
  RECOVERY_STATES,
  SUBSCRIPTION_STATES,
} from "@posthaste/domain";
import {
  type Account,
  type Attempt,
  type Delivery,
  type DeliveryChange,
  type Erasure,
  type EventSummary,
  FAILED_STATES,
  type Recovery,
  type SigningKey,
  type StoredEvent,
  type Subscription,
  type SubscriptionHealth,
  type Token,
} from "@posthaste/store";
import { publicKeysPath } from "../subscriptions/public-keys.ts";
import { enumOf, nameOf } from "./enum-of.ts";

const PROTO_SUBSCRIPTION_STATES = enumOf(SUBSCRIPTION_STATES, ProtoSubscriptionState);
const PROTO_DELIVERY_STATES = enumOf(DELIVERY_STATES, ProtoDeliveryState);
const PROTO_OUTCOMES = enumOf(OUTCOMES, ProtoOutcome);
const PROTO_ACCEPTANCES = enumOf(ACCEPTANCES, ProtoAcceptance);
const PROTO_RECOVERY_KINDS = enumOf(RECOVERY_KINDS, ProtoRecoveryKind);
const PROTO_RECOVERY_STATES = enumOf(RECOVERY_STATES, ProtoRecoveryState);
const PROTO_LEFT_OUT_REASONS = enumOf(LEFT_OUT_REASONS, ProtoLeftOutReason);
const PROTO_LANES = enumOf(LANES, ProtoLane);

/** Returns undefined for unspecified: the default or no change. */
export function acceptanceFrom(acceptance: ProtoAcceptance): Acceptance | undefined {
  return nameOf(PROTO_ACCEPTANCES, acceptance);
}

/** Returns undefined for unspecified: any state. */
export function deliveryStateFrom(state: ProtoDeliveryState): DeliveryState | undefined {
  return nameOf(PROTO_DELIVERY_STATES, state);
}

/** Returns unspecified for null. */
export function outcomeTo(outcome: Outcome | null): ProtoOutcome {
  return outcome === null ? ProtoOutcome.UNSPECIFIED : PROTO_OUTCOMES[outcome];
}

/** Returns undefined for unspecified. */
export function outcomeFrom(outcome: ProtoOutcome): Outcome | undefined {
  return nameOf(PROTO_OUTCOMES, outcome);
}

export function subscriptionTo(subscription: Subscription) {
  return create(SubscriptionSchema, {
    id: subscription.id,
    targetUrl: subscription.targetUrl,
    eventTypes: [...subscription.eventTypes],
    state: PROTO_SUBSCRIPTION_STATES[subscription.state],
    acceptance: PROTO_ACCEPTANCES[subscription.acceptance],
    timeout: durationFromMs(subscription.timeoutMs ?? ATTEMPT_TIMEOUT_MS),
    hasSecret: subscription.hasCredential,
    createdAt: timestampFromMs(subscription.createdAt),
    updatedAt: timestampFromMs(subscription.updatedAt),
    publicKeysPath: publicKeysPath(subscription.keySet),
    description: subscription.description,
    metadata: { ...subscription.metadata },
    headerNames: [...subscription.headerNames],
    ...(subscription.rate === null ? {} : { rateLimit: { ...subscription.rate } }),
    concurrency: subscription.concurrency ?? 0,
    draining: subscription.isDraining,
    ...optional("failingSince", subscription.failingSince),
    ...optional("endedAt", subscription.endedAt),
    endedReason: subscription.endedReason ?? "",
    retrying: subscription.isRetrying,
  });
}

export function healthTo(health: SubscriptionHealth) {
  const { attempts, accepted, p50Ms, p95Ms, lastOutcome, retrying, pending, parked } = health;
  return create(GetSubscriptionHealthResponseSchema, {
    attempts,
    accepted,
    ...(p50Ms === null ? {} : { p50: durationFromMs(p50Ms) }),
    ...(p95Ms === null ? {} : { p95: durationFromMs(p95Ms) }),
    lastOutcome: outcomeTo(lastOutcome),
    ...optional("lastAttemptAt", health.lastAttemptAt),
    ...optional("nextAttemptAt", health.nextAttemptAt),
    retrying,
    pending,
    parked,
    buckets: health.buckets.map(({ from, ...counts }) => ({ from: timestampFromMs(from), ...counts })),
    ...(attempts === 0 ? {} : { bucket: durationFromMs(health.bucketMs) }),
  });
}

export function signingKeyTo(key: SigningKey) {
  return create(SigningKeySchema, {
    secret: key.secret,
    publicKey: key.publicKey,
    createdAt: timestampFromMs(key.createdAt),
    ...optional("expiresAt", key.expiresAt),
  });
}

/** @param workflowUrl empty if the caller may not see it */
export function deliveryTo(delivery: Delivery, names: Names, workflowUrl = "") {
  return create(DeliverySchema, {
    id: delivery.id,
    eventId: delivery.eventId,
    eventType: delivery.eventType,
    subscriptionId: delivery.subscriptionId,
    state: PROTO_DELIVERY_STATES[delivery.state],
    attempts: delivery.attempts,
    lastOutcome: outcomeTo(delivery.lastOutcome),
    lastStatus: delivery.lastStatus ?? 0,
    createdAt: timestampFromMs(delivery.createdAt),
    endedReason: delivery.endedReason ?? "",
    test: delivery.isTest,
    workflowId: names.delivery(delivery.id),
    workflowUrl,
    resendOf: delivery.resendOf ?? "",
    traceparent: delivery.traceparent ?? "",
    recoveryId: delivery.recoveryId ?? 0,
    ...optional("nextAttemptAt", delivery.nextAttemptAt),
    ...optional("endedAt", delivery.endedAt),
  });
}

export function changeTo(change: DeliveryChange) {
  return create(DeliveryChangeSchema, {
    deliveryId: change.deliveryId,
    eventId: change.eventId,
    eventType: change.eventType,
    subscriptionId: change.subscriptionId,
    state: PROTO_DELIVERY_STATES[change.state],
    attempts: change.attempts,
    lastOutcome: outcomeTo(change.lastOutcome),
    lastStatus: change.lastStatus ?? 0,
    changedAt: timestampFromMs(change.changedAt),
  });
}

export function attemptTo(attempt: Attempt) {
  return create(AttemptSchema, {
    number: attempt.number,
    startedAt: timestampFromMs(attempt.startedAt),
    duration: durationFromMs(attempt.durationMs),
    outcome: PROTO_OUTCOMES[attempt.outcome],
    acceptance: attempt.acceptance,
    status: attempt.status ?? 0,
    requestHeaders: (attempt.requestHeaders ?? []).map(([name, value]) => ({ name, value })),
    responseHeaders: attempt.responseHeaders.map(([name, value]) => ({ name, value })),
    responseBody: attempt.responseBody as Uint8Array<ArrayBuffer>,
    responseTruncated: attempt.responseTruncated,
    address: attempt.address ?? "",
    detail: attempt.detail ?? "",
    targetUrl: attempt.targetUrl,
  });
}

export function eventTo(event: StoredEvent, keys: readonly FoundValue[]) {
  return create(GetEventResponseSchema, {
    id: event.id,
    eventType: event.eventType,
    dataJson: Buffer.from(event.data).toString("utf8"),
    createdAt: timestampFromMs(event.createdAt),
    idempotencyKey: event.idempotencyKey ?? "",
    keys: keys.map(({ pointer, value, sensitive }) => ({
      pointer,
      value: sensitive ? "" : value,
      sensitive,
    })),
  });
}

export function eventSummaryTo({ id, eventType, createdAt, dataBytes }: EventSummary) {
  return create(EventSummarySchema, { id, eventType, createdAt: timestampFromMs(createdAt), dataBytes });
}

export function recoveryTo(recovery: Recovery, names: Names) {
  const { kind, filter, leftOutBy } = recovery;
  const { states = FAILED_STATES, eventTypes = [], outcomes = [], statuses = [], attemptsMin = 0 } = filter;
  const reasons = Object.entries(leftOutBy) as [LeftOutReason, number][];
  return create(RecoverySchema, {
    id: recovery.id,
    kind: PROTO_RECOVERY_KINDS[recovery.kind],
    subscriptionId: recovery.subscriptionId ?? 0,
    state: PROTO_RECOVERY_STATES[recovery.state],
    since: timestampFromMs(recovery.sinceAt),
    until: timestampFromMs(recovery.untilAt),
    dryRun: recovery.isDryRun,
    ratePerSecond: recovery.ratePerSecond,
    examined: BigInt(recovery.examined),
    made: BigInt(recovery.made),
    leftOut: BigInt(recovery.leftOut),
    parked: BigInt(recovery.parked),
    createdAt: timestampFromMs(recovery.createdAt),
    workflowId: names.recovery(recovery.id),
    leftOutBy: reasons.map(([reason, count]) => ({
      reason: PROTO_LEFT_OUT_REASONS[reason],
      count: BigInt(count),
    })),
    states: kind === "recover" ? states.map((state) => PROTO_DELIVERY_STATES[state]) : [],
    eventTypes: [...eventTypes],
    outcomes: outcomes.map((outcome) => PROTO_OUTCOMES[outcome]),
    statuses: [...statuses],
    attemptsMin,
    eventId: filter.eventId ?? "",
    ...optional("endedAt", recovery.endedAt),
  });
}

export function accountTo(account: Account) {
  return create(AccountSchema, {
    id: account.id,
    name: account.name,
    lane: account.lane === null ? ProtoLane.UNSPECIFIED : PROTO_LANES[account.lane],
    createdAt: timestampFromMs(account.createdAt),
  });
}

/** Returns null for unspecified: the installation's default. */
export function laneFrom(lane: ProtoLane): Lane | null {
  return nameOf(PROTO_LANES, lane) ?? null;
}

export function erasureTo(erasure: Erasure, names: Names) {
  const { id, accountId, pointer, valueHash, state, digest } = erasure;
  return create(ErasureSchema, {
    id,
    accountId,
    pointer: pointer ?? "",
    valueSha256: valueHash === null ? "" : Buffer.from(valueHash).toString("hex"),
    state: state === "completed" ? ErasureState.COMPLETED : ErasureState.RUNNING,
    examined: BigInt(erasure.examined),
    events: BigInt(erasure.events),
    deliveries: BigInt(erasure.deliveries),
    attempts: BigInt(erasure.attempts),
    digest: Buffer.from(digest).toString("hex"),
    createdAt: timestampFromMs(erasure.createdAt),
    workflowId: names.erasure(id),
    ...optional("endedAt", erasure.endedAt),
  });
}

export function tokenTo(token: Token) {
  return create(TokenSchema, {
    id: token.id,
    accountId: token.accountId,
    name: token.name,
    hint: token.hint,
    scopes: [...token.scopes],
    createdAt: timestampFromMs(token.createdAt),
    ...optional("expiresAt", token.expiresAt),
    ...optional("revokedAt", token.revokedAt),
  });
}

/** Returns a time under its field; nothing for null. */
export function optional<K extends string>(key: K, at: number | null) {
  return at === null ? {} : ({ [key]: timestampFromMs(at) } as Record<K, Timestamp>);
}
