/**
 * The closed vocabulary. A new state or outcome is added here first; every mapping is written with
 * `satisfies Record<…>` and so fails to compile until it knows the new word.
 */

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** A tenant's number; `UserIDFK` in the REST gateway. */
export type AccountId = Branded<number, "AccountId">;
/** A token's number. */
export type TokenId = Branded<number, "TokenId">;
/** A subscription's number, at most 2^31 − 1: the `ID` of the REST gateway. */
export type SubscriptionId = Branded<number, "SubscriptionId">;
/** `evt_` and a ULID; sent to receivers as `webhook-id`. */
export type EventId = Branded<string, "EventId">;
/** `dlv_` and a ULID, so ids sort by the time of ingest. */
export type DeliveryId = Branded<string, "DeliveryId">;

/**
 * A subscription's life.
 *
 *     active ⇄ paused     (by its owner)
 *     active ⇄ disabled   (by failing)
 *     any    → ended      (deleted, or the receiver said 410; terminal)
 */
export const SUBSCRIPTION_STATES = ["active", "paused", "disabled", "ended"] as const;
export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];

/**
 * A delivery's life. Which event leads from which state to which is written once, in the store's
 * `deliveries/transitions.ts`; `docs/architecture.md` shows its picture.
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

/** A state that nothing leaves. */
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

/** Whether nothing more will happen to a delivery in this state. */
export function isTerminal(state: DeliveryState): state is TerminalState {
  return TERMINAL[state];
}

/** Why a delivery was created. */
export const CREATION_CAUSES = [
  /** The first delivery of an ingested event. */
  "ingested",
  /** A further delivery of an ingested event. */
  "fanned_out",
  /** The one delivery of a test event. */
  "tested",
  "resent",
  "recovered",
  "replayed",
] as const;
export type CreationCause = (typeof CREATION_CAUSES)[number];

/** What happens to a delivery once it exists. */
export const DELIVERY_EVENTS = [
  "claim",
  "renew_claim",
  "release_claim",
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

/** A recovery's number. */
export type RecoveryId = Branded<number, "RecoveryId">;
/** What a recovery makes deliveries of: deliveries that failed, or events that had none. */
export const RECOVERY_KINDS = ["recover", "replay"] as const;
export type RecoveryKind = (typeof RECOVERY_KINDS)[number];
export const RECOVERY_STATES = ["running", "paused", "completed", "cancelled"] as const;
export type RecoveryState = (typeof RECOVERY_STATES)[number];

/** An erasure's number. */
export type ErasureId = Branded<number, "ErasureId">;

/**
 * How a delivery's first attempt is made. `workflow`: by its workflow, from the start. `direct`: straight from the claimed row,
 * and what fails goes on as a workflow.
 */
export const LANES = ["workflow", "direct"] as const;
export type Lane = (typeof LANES)[number];

/** Which answers of a receiver count as delivered. */
export const ACCEPTANCES = ["OK_ONLY", "ANY_2XX"] as const;
export type Acceptance = (typeof ACCEPTANCES)[number];

/** What becomes of an ingested event that does not fit its type's schema. */
export const SCHEMA_CHECKS = ["OFF", "WARN", "REJECT"] as const;
export type SchemaCheck = (typeof SCHEMA_CHECKS)[number];

/** What a token may do. `admin` sees and changes every account. */
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
