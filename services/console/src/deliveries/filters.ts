import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState, Outcome } from "@posthaste/contracts/delivery";
import { readSince, type Since, timesOf } from "../parts/time-range.ts";
import { SENDABLE, type Selection, statusesFrom, UNDELIVERED } from "../recover/selection.ts";

/** The filters of the delivery list. The page's URL holds them, so that a reader can share the list. */
export type Filters = {
  readonly state: DeliveryState;
  readonly eventType: string;
  readonly subscriptionId: number;
  /** The time range. `all`: no limit. */
  readonly since: Since;
  /** Of the last attempt. */
  readonly outcome: Outcome;
  /** Of the last answer, as they were typed. */
  readonly statuses: string;
  /** Attempts at least; 0: any. */
  readonly attemptsMin: number;
  /** Empty: any. */
  readonly eventId: string;
  /** What this recovery sent; 0: any. */
  readonly recoveryId: number;
};

export const NO_FILTERS: Filters = {
  state: DeliveryState.UNSPECIFIED,
  eventType: "",
  subscriptionId: 0,
  since: "all",
  outcome: Outcome.UNSPECIFIED,
  statuses: "",
  attemptsMin: 0,
  eventId: "",
  recoveryId: 0,
};

/** The largest number of a subscription or recovery. */
const ID_MAX = 2 ** 31 - 1;
/** A delivery has as many attempts at most. */
export const ATTEMPTS_MAX = 14;

const STATES = Object.values(DeliveryState).filter(
  (state): state is DeliveryState => typeof state === "number",
);
const OUTCOMES = Object.values(Outcome).filter((outcome): outcome is Outcome => typeof outcome === "number");

export function readFilters(search: string): Filters {
  const params = new URLSearchParams(search);
  const state = params.get("state")?.toUpperCase() ?? "";
  const outcome = params.get("outcome")?.toUpperCase() ?? "";
  return {
    state: STATES.find((value) => DeliveryState[value] === state) ?? DeliveryState.UNSPECIFIED,
    eventType: params.get("type") ?? "",
    subscriptionId: numberIn(params, "subscription", ID_MAX),
    since: readSince(params),
    outcome: OUTCOMES.find((value) => Outcome[value] === outcome) ?? Outcome.UNSPECIFIED,
    statuses: params.get("status") ?? "",
    attemptsMin: numberIn(params, "attempts", ATTEMPTS_MAX),
    eventId: params.get("event") ?? "",
    recoveryId: numberIn(params, "recovery", ID_MAX),
  };
}

/** Reads a number from 1 to a maximum; 0: there is none. */
function numberIn(params: URLSearchParams, name: string, max: number): number {
  const value = Number(params.get(name) ?? 0);
  return Number.isInteger(value) && value > 0 && value <= max ? value : 0;
}

/** @param before the token of a page after the first */
export function addressOf(filters: Filters, before = ""): string {
  const { state, eventType, subscriptionId, since, outcome } = filters;
  const params = new URLSearchParams();
  if (state !== DeliveryState.UNSPECIFIED) params.set("state", DeliveryState[state].toLowerCase());
  if (eventType !== "") params.set("type", eventType);
  if (subscriptionId !== 0) params.set("subscription", String(subscriptionId));
  if (since !== "all") params.set("since", since);
  if (outcome !== Outcome.UNSPECIFIED) params.set("outcome", Outcome[outcome].toLowerCase());
  if (filters.statuses !== "") params.set("status", filters.statuses);
  if (filters.attemptsMin !== 0) params.set("attempts", String(filters.attemptsMin));
  if (filters.eventId !== "") params.set("event", filters.eventId);
  if (filters.recoveryId !== 0) params.set("recovery", String(filters.recoveryId));
  if (before !== "") params.set("before", before);
  const query = params.toString();
  return query === "" ? "/deliveries" : `/deliveries?${query}`;
}

/** Returns the token of the page, which is empty for the first page. */
export function readBefore(search: string): string {
  return new URLSearchParams(search).get("before") ?? "";
}

/**
 * Returns the request for what the filters leave. Statuses that are not complete yet are left out.
 *
 * @param now when a length of time ends
 */
export function requestOf(filters: Filters, now: number) {
  const { state, eventType, subscriptionId, outcome, attemptsMin, eventId, recoveryId } = filters;
  const { from, before } = timesOf(filters.since, now);
  return {
    ...{ state, eventType, subscriptionId, attemptsMin, eventId, recoveryId },
    outcomes: outcome === Outcome.UNSPECIFIED ? [] : [outcome],
    statuses: statusesFrom(filters.statuses) ?? [],
    ...(from === undefined ? {} : { createdFrom: timestampFromMs(from) }),
    ...(before === undefined ? {} : { createdBefore: timestampFromMs(before) }),
  };
}

/**
 * Returns what the filters leave, to be sent again. Undefined: none of it can be, or nobody chose anything.
 *
 * @param now when a length of time ends
 */
export function selectionOf(filters: Filters, now: number): Selection | undefined {
  const { state, eventType, subscriptionId, outcome, attemptsMin, eventId, recoveryId } = filters;
  const states = state === DeliveryState.UNSPECIFIED ? UNDELIVERED.states : [state];
  // Recovering what a recovery sent is none of the API's filters.
  if (recoveryId !== 0 || addressOf(filters) === addressOf(NO_FILTERS)) return undefined;
  if (!states.every((one) => SENDABLE.some((sendable) => sendable === one))) return undefined;
  const { from, before } = timesOf(filters.since, now);
  return {
    ...UNDELIVERED,
    ...{ subscriptionId, states, attemptsMin, eventId },
    eventTypes: eventType === "" ? [] : [eventType],
    outcomes: outcome === Outcome.UNSPECIFIED ? [] : [outcome],
    statuses: statusesFrom(filters.statuses) ?? [],
    sinceMs: from ?? 0,
    untilMs: before,
  };
}
