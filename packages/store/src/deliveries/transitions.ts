import { type DeliveryEvent, type DeliveryState, isTerminal, MINUTE_MS } from "@posthaste/domain";

/*
 * # The life of a delivery
 *
 * Every change of a row in `deliveries` is one of the events below, applied by `move.ts`. Only its key may
 * pass to another row without an event; see `url-keys.ts`. The table says from which state to which an event
 * leads, and which of the five time columns it sets or clears:
 *
 *   next_attempt_at   No retry is sent more than a second before this time.
 *   reconcile_after   The reconciler leaves a started delivery alone until then.
 *   turn_at           The time reserved for a retry among the retries of its subscription. If the next
 *                     attempt is later, the retry has asked for its turn, and the line counts it.
 *   lease_until       Pending: nobody else claims the delivery before this time.
 *                     Started: its place among the subscription's attempts is free again after this time.
 *   in_flight_of      The subscription among whose attempts it occupies a place.
 *
 * A delivery that is parked or has ended holds none of them.
 *
 * An event comes late if another process moved the delivery first. The table lists the states in which that
 * can happen; the row then stays as it is. In any other state the event is a fault, and `move` throws.
 */

export const TIME_COLUMNS = [
  "next_attempt_at",
  "reconcile_after",
  "turn_at",
  "lease_until",
  "in_flight_of",
] as const;
export type TimeColumn = (typeof TIME_COLUMNS)[number];

/** Returns whether a delivery in this state holds none of the time columns. */
export function holdsNoTime(state: DeliveryState): boolean {
  return state === "parked" || isTerminal(state);
}

type Transition = {
  /** What happened, for the documentation. */
  readonly meaning: string;
  /** The state after the event, by the state before it. */
  readonly to: Partial<Record<DeliveryState, DeliveryState>>;
  /** The states in which the event is late. */
  readonly late: readonly DeliveryState[];
  /** `set` to a value that the event brings, `clear` to null. A column that is not named keeps its value. */
  readonly columns: Partial<Record<TimeColumn, "set" | "clear">>;
};

const ENDED = ["succeeded", "exhausted", "cancelled", "blocked"] as const;

/**
 * An attempt may end while its delivery is parked or cancelled. The log still records the receiver's answer.
 */
const afterAttempt = <To extends DeliveryState>(state: To) =>
  ({ pending: state, started: state, parked: state, cancelled: "cancelled" }) as const;

const WAITS_FOR_RETRY = {
  next_attempt_at: "set",
  reconcile_after: "set",
  turn_at: "set",
  lease_until: "clear",
  in_flight_of: "clear",
} as const;

export const TRANSITIONS = {
  claim: {
    meaning: "a worker leases it",
    to: { pending: "pending" },
    late: [],
    columns: { turn_at: "clear", lease_until: "set", in_flight_of: "set" },
  },
  renew_claim: {
    meaning: "its worker is still at work, or others in order wait until its start is tried again",
    to: { pending: "pending" },
    late: ["started", "parked", ...ENDED],
    columns: { lease_until: "set" },
  },
  release_claim: {
    meaning: "its workflow could not be started",
    to: { pending: "pending" },
    late: ["started", "parked", ...ENDED],
    columns: { lease_until: "clear", in_flight_of: "clear" },
  },
  set_aside: {
    meaning: "it cannot be claimed or started, and others must not wait for it",
    to: { pending: "pending" },
    late: ["started", "parked", ...ENDED],
    columns: { lease_until: "set", in_flight_of: "clear" },
  },
  start: {
    meaning: "its workflow was started",
    to: { pending: "started" },
    // The workflow may make its first attempt before its start is written here.
    late: ["started", "parked", ...ENDED],
    columns: { reconcile_after: "set", lease_until: "clear" },
  },
  unclaim: {
    meaning: "its first attempt finds no free place, and waits to be claimed again",
    to: { pending: "pending", started: "pending" },
    late: ["parked", ...ENDED],
    columns: {
      next_attempt_at: "set",
      reconcile_after: "clear",
      turn_at: "clear",
      lease_until: "clear",
      in_flight_of: "clear",
    },
  },
  take_turn: {
    meaning: "its attempt takes a place and is sent",
    to: { pending: "pending", started: "started" },
    late: ["parked", ...ENDED],
    columns: { turn_at: "clear", lease_until: "set", in_flight_of: "set" },
  },
  reserve_turn: {
    meaning: "its retry waits for its turn",
    // A drained delivery's workflow may reserve before its start is written.
    to: { pending: "started", started: "started" },
    late: ["parked", ...ENDED],
    columns: WAITS_FOR_RETRY,
  },
  attempt_failed: {
    meaning: "an attempt failed, and the schedule has another",
    to: afterAttempt("started"),
    late: [],
    columns: WAITS_FOR_RETRY,
  },
  attempt_succeeded: {
    meaning: "the receiver accepted it",
    to: afterAttempt("succeeded"),
    late: [],
    columns: {},
  },
  attempt_exhausted: {
    meaning: "the last attempt of the schedule failed",
    to: afterAttempt("exhausted"),
    late: [],
    columns: {},
  },
  attempt_blocked: {
    meaning: "its target may not be called",
    to: afterAttempt("blocked"),
    late: [],
    columns: {},
  },
  attempt_gone: {
    meaning: "the receiver answered 410",
    to: afterAttempt("cancelled"),
    late: [],
    columns: {},
  },
  hand_over: {
    meaning: "a workflow carries on after its direct attempt",
    to: { started: "started" },
    late: ["pending", "parked", ...ENDED],
    columns: { reconcile_after: "set" },
  },
  defer_reconcile: {
    meaning: "the reconciler examined it",
    to: { started: "started" },
    late: ["pending", "parked", ...ENDED],
    columns: { reconcile_after: "set" },
  },
  request_retry: {
    meaning: "its owner asked for the next attempt now",
    to: { started: "started" },
    late: ["pending", "parked", ...ENDED],
    columns: { next_attempt_at: "set", reconcile_after: "set" },
  },
  park: {
    meaning: "its subscription is paused or disabled",
    to: { pending: "parked", started: "parked" },
    late: ["parked", ...ENDED],
    columns: {},
  },
  drain: {
    meaning: "its subscription is active again",
    to: { parked: "pending" },
    late: ["started", ...ENDED],
    // The others are clear already. If one were not, it would keep the rest of the subscription parked.
    columns: {
      next_attempt_at: "set",
      reconcile_after: "clear",
      turn_at: "clear",
      lease_until: "clear",
      in_flight_of: "clear",
    },
  },
  cancel: {
    meaning: "its owner cancelled it, or its subscription ended",
    to: { pending: "cancelled", started: "cancelled", parked: "cancelled" },
    late: ENDED,
    columns: {},
  },
} as const satisfies Record<DeliveryEvent, Transition>;

/**
 * The time columns that a row must hold (true) or must not hold (false), by state. Other states hold none.
 */
export const HELD = {
  pending: { next_attempt_at: true, reconcile_after: false, turn_at: false },
  started: { next_attempt_at: true, reconcile_after: true },
} as const satisfies Partial<Record<DeliveryState, Partial<Record<TimeColumn, boolean>>>>;

/**
 * How long after its next attempt was due a delivery counts as overdue. Longer than any attempt and fault
 * takes.
 */
export const RECONCILE_GRACE_MS = 2 * MINUTE_MS;

/** A delivery that is neither parked nor ended. */
export const OPEN_STATES = ["pending", "started", "parked"] as const satisfies readonly DeliveryState[];

/** The times of a delivery that waits for its next attempt, which was reserved for `atMs`. */
export function waitUntil(atMs: number) {
  return { next_attempt_at: atMs, turn_at: atMs, reconcile_after: atMs + RECONCILE_GRACE_MS };
}
