/**
 * The closed vocabulary. Add a new state or outcome here first: every mapping is written with `satisfies
 * Record<…>` and does not compile until it covers the new word.
 */

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** The number of an account (tenant); `UserIDFK` in the REST gateway. */
export type AccountId = Branded<number, "AccountId">;
/** A token's number. */
export type TokenId = Branded<number, "TokenId">;
/** A subscription's number, at most 2^31 − 1: the `ID` of the REST gateway. */
export type SubscriptionId = Branded<number, "SubscriptionId">;
/** `evt_` and a ULID; sent to receivers as `webhook-id`. */
export type EventId = Branded<string, "EventId">;
/** `dlv_` and a ULID, so that ids sort by time of creation. */
export type DeliveryId = Branded<string, "DeliveryId">;

/**
 * The states of a subscription.
 *
 *     active ⇄ paused     (by its owner)
 *     active ⇄ disabled   (kept failing)
 *     any    → ended      (deleted, or the receiver answered 410; terminal)
 */
export const SUBSCRIPTION_STATES = ["active", "paused", "disabled", "ended"] as const;
export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];

/**
 * The states of a delivery. The store's `deliveries/transitions.ts` defines all transitions;
 * `docs/architecture.md` shows them as a diagram.
 */
export const DELIVERY_STATES = [
  "pending",
  "started",
  "succeeded",
  "exhausted",
  "cancelled",
  "blocked",
  "parked",
] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** A final state: no transition leaves it. */
export type TerminalState = Extract<DeliveryState, "succeeded" | "exhausted" | "cancelled" | "blocked">;

const TERMINAL = {
  pending: false,
  started: false,
  parked: false,
  succeeded: true,
  exhausted: true,
  cancelled: true,
  blocked: true,
} as const satisfies Record<DeliveryState, boolean>;

/** Returns whether the state is final. */
export function isTerminal(state: DeliveryState): state is TerminalState {
  return TERMINAL[state];
}

/** Why a delivery was created. */
export const CREATION_CAUSES = [
  /** The first delivery of an ingested event. */
  "ingested",
  /** Any further delivery of an ingested event. */
  "fanned_out",
  /** The only delivery of a test event. */
  "tested",
  "resent",
  "recovered",
  "replayed",
] as const;
export type CreationCause = (typeof CREATION_CAUSES)[number];

/** The events that move a delivery from one state to another. */
export const DELIVERY_EVENTS = [
  "claim",
  "renew_claim",
  "release_claim",
  "set_aside",
  "start",
  "unclaim",
  "take_turn",
  "reserve_turn",
  "attempt_failed",
  "attempt_succeeded",
  "attempt_exhausted",
  "attempt_blocked",
  "attempt_gone",
  "hand_over",
  "defer_reconcile",
  "request_retry",
  "park",
  "drain",
  "cancel",
] as const;
export type DeliveryEvent = (typeof DELIVERY_EVENTS)[number];

/**
 * The id of a database's installation: what its names in Temporal carry, so that two installations may share
 * a namespace. Empty for an installation that is older than these ids.
 */
export type InstallationId = Branded<string, "InstallationId">;

/** A recovery's number. */
export type RecoveryId = Branded<number, "RecoveryId">;
/**
 * What a recovery sends: `recover` repeats failed deliveries, `replay` delivers events that have no delivery
 * yet.
 */
export const RECOVERY_KINDS = ["recover", "replay"] as const;
export type RecoveryKind = (typeof RECOVERY_KINDS)[number];
export const RECOVERY_STATES = ["running", "paused", "completed", "cancelled"] as const;
export type RecoveryState = (typeof RECOVERY_STATES)[number];

/** The states whose deliveries a recovery can send again; a `started` one makes its next attempt now. */
export const RECOVERABLE_STATES = [
  "started",
  "succeeded",
  "exhausted",
  "cancelled",
  "blocked",
] as const satisfies readonly DeliveryState[];
export type RecoverableState = (typeof RECOVERABLE_STATES)[number];

/** Why a recovery leaves out a delivery, or a replay an event. */
export const LEFT_OUT_REASONS = [
  /** A newer delivery of its event to its subscription exists, or one is open. */
  "already_sent",
  /** The receiver accepted an attempt that was under way when it was cancelled. */
  "accepted",
  /** Its next attempt is due or in progress. */
  "due",
  "subscription_ended",
  "test",
  /** By retention or an erasure. */
  "event_deleted",
  /** Its event was sent to its subscription as often as it may. */
  "too_often",
] as const;
export type LeftOutReason = (typeof LEFT_OUT_REASONS)[number];

/** An erasure's number. */
export type ErasureId = Branded<number, "ErasureId">;

/** `aud_` and a ULID, so that ids sort by time. */
export type AuditEntryId = Branded<string, "AuditEntryId">;

/**
 * Who makes a change that is audited: the holder of a token, whoever opens a portal link, the operator by a
 * command on the database, or Posthaste by itself.
 */
export const AUDIT_ACTORS = ["token", "portal_link", "operator", "posthaste"] as const;
export type AuditActor = (typeof AUDIT_ACTORS)[number];

/** What an audited change is of. */
export const AUDIT_SUBJECTS = [
  "account",
  "token",
  "portal_link",
  "subscription",
  "event_type",
  "delivery",
  "recovery",
  "erasure",
  "installation",
] as const;
export type AuditSubject = (typeof AUDIT_SUBJECTS)[number];

/**
 * How the first attempt runs. `workflow`: in the delivery's workflow. `direct`: without a workflow, straight
 * from the claimed row; only a delivery whose first attempt failed gets a workflow.
 */
export const LANES = ["workflow", "direct"] as const;
export type Lane = (typeof LANES)[number];

/** Which statuses of a receiver count as delivered: only 200, or any 2xx. */
export const ACCEPTANCES = ["OK_ONLY", "ANY_2XX"] as const;
export type Acceptance = (typeof ACCEPTANCES)[number];

/** What happens to an ingested event that does not match the schema of its event type. */
export const SCHEMA_CHECKS = ["OFF", "WARN", "REJECT"] as const;
export type SchemaCheck = (typeof SCHEMA_CHECKS)[number];

/** What a token allows. `admin` may read and change every account. */
export const SCOPES = [
  "subscriptions:read",
  "subscriptions:write",
  "events:write",
  "deliveries:read",
  "deliveries:write",
  "catalog:write",
  "admin",
] as const;
export type Scope = (typeof SCOPES)[number];
