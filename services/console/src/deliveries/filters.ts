import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState } from "@posthaste/contracts/delivery";
import { DAY_MS, HOUR_MS } from "../parts/durations.ts";

/** The filters of the delivery list. The page's URL holds them, so that a reader can share the list. */
export type Filters = {
  readonly state: DeliveryState;
  readonly eventType: string;
  readonly subscriptionId: number;
  /** The time range. `all`: no limit. */
  readonly since: Since;
};

export const SINCES = [
  { id: "all", name: "Any time" },
  { id: "15m", name: "Last 15 minutes" },
  { id: "1h", name: "Last hour" },
  { id: "24h", name: "Last 24 hours" },
  { id: "7d", name: "Last 7 days" },
  { id: "range", name: "Custom range" },
] as const;
/** An id of `SINCES` except `range`, or two times: see `timesOf`. */
export type Since = string;

const LENGTHS_MS: Readonly<Record<string, number>> = {
  "15m": 900_000,
  "1h": HOUR_MS,
  "24h": DAY_MS,
  "7d": 7 * DAY_MS,
};

const STATES = Object.values(DeliveryState).filter(
  (state): state is DeliveryState => typeof state === "number",
);

export function readFilters(search: string): Filters {
  const params = new URLSearchParams(search);
  const state = params.get("state")?.toUpperCase() ?? "";
  const subscriptionId = Number(params.get("subscription") ?? 0);
  return {
    state: STATES.find((value) => DeliveryState[value] === state) ?? DeliveryState.UNSPECIFIED,
    eventType: params.get("type") ?? "",
    subscriptionId: Number.isInteger(subscriptionId) && subscriptionId > 0 ? subscriptionId : 0,
    since: params.get("since") ?? "all",
  };
}

export function writeFilters({ state, eventType, subscriptionId, since }: Filters): string {
  const params = new URLSearchParams();
  if (state !== DeliveryState.UNSPECIFIED) params.set("state", DeliveryState[state].toLowerCase());
  if (eventType !== "") params.set("type", eventType);
  if (subscriptionId !== 0) params.set("subscription", String(subscriptionId));
  if (since !== "all") params.set("since", since);
  return params.toString();
}

/** Converts a `since` to times: a length that ends now, or two times separated by `~`. */
export function timesOf(since: Since, now: number): { from?: number; before?: number } {
  const length = LENGTHS_MS[since];
  if (length !== undefined) return { from: now - length };
  const [from = "", before = ""] = since.split("~");
  return {
    ...(Number.isNaN(Date.parse(from)) ? {} : { from: Date.parse(from) }),
    ...(Number.isNaN(Date.parse(before)) ? {} : { before: Date.parse(before) }),
  };
}

export function requestOf(filters: Filters, now: number) {
  const { from, before } = timesOf(filters.since, now);
  return {
    state: filters.state,
    eventType: filters.eventType,
    subscriptionId: filters.subscriptionId,
    ...(from === undefined ? {} : { createdFrom: timestampFromMs(from) }),
    ...(before === undefined ? {} : { createdBefore: timestampFromMs(before) }),
  };
}
