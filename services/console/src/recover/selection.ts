import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState, type Outcome } from "@posthaste/contracts/delivery";

/** What to send again. What is empty or 0 is no condition. */
export type Selection = {
  /** `recover`: deliveries; `replay`: events that the subscription never had, which have no attempts. */
  readonly kind: "recover" | "replay";
  readonly subscriptionId: number;
  readonly states: readonly DeliveryState[];
  readonly eventTypes: readonly string[];
  readonly outcomes: readonly Outcome[];
  readonly statuses: readonly number[];
  readonly attemptsMin: number;
  readonly eventId: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
  /** Undefined: now. */
  readonly untilMs: number | undefined;
};

/** The states that can be sent again, as the form lists them. */
export const SENDABLE = [
  DeliveryState.STARTED,
  DeliveryState.EXHAUSTED,
  DeliveryState.BLOCKED,
  DeliveryState.CANCELLED,
  DeliveryState.SUCCEEDED,
] as const;

/** Everything that was not delivered, whenever it was created. */
export const UNDELIVERED: Selection = {
  kind: "recover",
  subscriptionId: 0,
  states: [DeliveryState.STARTED, DeliveryState.EXHAUSTED, DeliveryState.BLOCKED, DeliveryState.CANCELLED],
  eventTypes: [],
  outcomes: [],
  statuses: [],
  attemptsMin: 0,
  eventId: "",
  sinceMs: 0,
  untilMs: undefined,
};

/** Everything that waits for a retry to one subscription. */
export function waitingFor(subscriptionId: number): Selection {
  return { ...UNDELIVERED, subscriptionId, states: [DeliveryState.STARTED] };
}

/** Returns the request that replays a selection's events, at most so many a second. */
export function replayRequestOf({ subscriptionId, eventTypes, ...times }: Selection, ratePerSecond: number) {
  return { subscriptionId, eventTypes: [...eventTypes], ratePerSecond, ...rangeOf(times) };
}

/** Returns the request that recovers a selection's deliveries, at most so many a second. */
export function recoverRequestOf(selection: Selection, ratePerSecond: number) {
  const { states, outcomes, statuses, attemptsMin, eventId } = selection;
  return {
    ...replayRequestOf(selection, ratePerSecond),
    states: [...states],
    outcomes: [...outcomes],
    statuses: [...statuses],
    attemptsMin,
    eventId,
  };
}

function rangeOf({ sinceMs, untilMs }: Pick<Selection, "sinceMs" | "untilMs">) {
  const since = timestampFromMs(sinceMs);
  return untilMs === undefined ? { since } : { since, until: timestampFromMs(untilMs) };
}

/** Reads statuses as somebody lists them, such as `500, 503`; undefined: that is no list of statuses. */
export function statusesFrom(text: string): number[] | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  const statuses = words.map(Number);
  return words.every((word) => /^[1-5]\d\d$/.test(word)) ? [...new Set(statuses)] : undefined;
}

/** Returns whether a selection has deliveries that their receiver has accepted. */
export function sendsAccepted({ states }: Pick<Selection, "states">): boolean {
  return states.includes(DeliveryState.SUCCEEDED);
}

/** Reads what a link to the Recover page chooses. */
export function readSelection(search: string): Partial<Selection> {
  const params = new URLSearchParams(search);
  const subscriptionId = Number(params.get("subscription"));
  const names = params.get("state")?.toUpperCase().split(",") ?? [];
  const states = SENDABLE.filter((state) => names.includes(DeliveryState[state]));
  return {
    ...(Number.isInteger(subscriptionId) && subscriptionId > 0 ? { subscriptionId } : {}),
    ...(states.length > 0 ? { states } : {}),
  };
}
